package store_test

import (
	"strings"
	"testing"

	"referral/models"
)

// A document that cannot be read parks its invoice also when nothing is owed on it any
// more: what is to be taken back cannot be told.
func TestDamagedDocumentOfADiscountThatEnded(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	l.facts(april(885, 1, 300000, 200000))
	l.settle(models.RunRequest{Period: 202604})
	before := l.dump(ledger)
	l.behindTriggers("UPDATE adjustments SET items = regexp_replace(items, E'^1\t', '1 ')")
	l.facts(models.Terminated{AccountID: 885, TerminatedAt: at("2026-03-01T00:00:00Z")})
	run := l.settle(models.RunRequest{Period: 202604})
	parked, err := l.ParkedAccounts(t.Context(), run.ID, 10)
	if err != nil || len(parked) != 1 || !strings.Contains(parked[0].Error, "document 1 of the ledger") {
		t.Errorf("parked: %v, %v; posted %+v; ledger before\n%s", parked, err, run.Totals, before)
	}
}

// Of an invoice whose revisions are lost, a further one is taken under the owner
// that is still known.
func TestInvoiceWithoutItsRevisionsIsTakenAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(april(885, 1, 300000))
	l.exec("DELETE FROM invoices")
	if fate := l.take(l.fact(april(885, 1, 300000)), l.fact(owned("INV-2026-04-885", 700, 2, 1))); fate[0] != models.Applied || fate[1] != models.DeadLettered {
		t.Errorf("the messages are %v", fate)
	}
	if n := l.number("SELECT count(*) FROM invoices"); n != 1 {
		t.Errorf("%d invoices are stored", n)
	}
}
