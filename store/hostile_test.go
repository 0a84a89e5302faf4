package store_test

import (
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
)

// Texts of invoices that mean something where they are stored come through a run,
// its publication, a reconciliation and the account's page unharmed.
func TestHostileTextsOfInvoices(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	inv := april(885, 1)
	for i, id := range []string{"", "-", `\`, `\t`, "\t", "\n", `\b`, "\r\n", "1\t2\t3", strings.Repeat("я", 200), "☃"} {
		from := inv.Period.First() - models.Date(i)
		inv.Lines = append(inv.Lines, models.Line{ID: id, Service: "subscription", From: from, To: from + 366, Amount: models.Money(-1000 * (i + 1))},
			models.Line{ID: id + "held", Service: "unknown" + id, From: from, To: from, Amount: models.MaxAmount})
	}
	l.facts(inv)
	if fate := l.take(l.fact(inv)); fate[0] != models.Repeated {
		t.Errorf("the same invoice is %v", fate)
	}
	run := l.settle(models.RunRequest{Period: 202604, Accept: true})
	if run.State != models.RunDone || run.Totals.Items != 11 {
		t.Errorf("the run came to %+v", run)
	}
	l.tie(202604)
	for _, ref := range l.publishAll() {
		if docs := l.chunk(ref); len(docs.Adjustments) != 1 || docs.Adjustments[0].Damage != nil || len(docs.Adjustments[0].Items) != 11 {
			t.Errorf("published is %+v", docs)
		}
	}
	c, found, err := l.PortalInvoice(t.Context(), 885, inv.ID)
	if err != nil || !found || !c.Invoices[0].Invoice.Same(inv) {
		t.Errorf("the bill is %+v, %v", c, err)
	}
	if n := l.number("SELECT count(*) FROM invoice_lines l JOIN adjustment_items i USING (account_id, invoice_id, line_id, service)"); n != 11 {
		t.Errorf("the views show %d lines with a discount", n)
	}
	// Hand-damaged rows: everything else goes on, and they are named.
	l.facts(april(900, 1, 1000), models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-01T09:00:00Z")})
	l.exec(`UPDATE invoices SET lines = E'1\tsubscription' WHERE account_id = 885`)
	run = l.settle(models.RunRequest{Period: 202604, Full: true, Accept: true})
	if parked, err := l.ParkedAccounts(t.Context(), run.ID, 10); run.Totals.Documents != 1 || len(parked) != 1 || parked[0].InvoiceID != inv.ID {
		t.Errorf("the run came to %+v, parked %v, %v", run.Totals, parked, err)
	}
	if breaks := l.breaks(202604); len(breaks) != 1 || breaks[0].Kind != billing.BreakNotCalculated || breaks[0].AccountID != 885 {
		t.Errorf("breaks are %+v", breaks)
	}
	if c, found, err := l.AccountHistory(t.Context(), 885); err != nil || !found || c.Invoices[0].Invoice.Damage == nil {
		t.Errorf("the dossier is %+v, %v", c, err)
	}
	c, err = l.PortalInvoices(t.Context(), 885, 202605, 3)
	if err != nil {
		t.Fatal(err)
	}
	if e, found := l.p.ExplainInvoice(&c, inv.ID); !found || !strings.Contains(e.Parked, "cannot be read") {
		t.Errorf("the invoice is explained by %q", e.Parked)
	}
}
