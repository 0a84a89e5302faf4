package main

import (
	"fmt"
	"slices"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/test/storetest"
)

// plantedEach is how many differences of each of seven kinds are planted: a thousand
// together.
const plantedEach = 143

// planted is the invoice of April of the n-th account whose ledger is spoiled.
func planted(n int) string { return fmt.Sprintf("INV-2026-04-%d", 10_000+n) }

// spoilt is an SQL condition: the accounts of the kind k.
func spoilt(k int) string {
	return fmt.Sprintf("account_id BETWEEN %d AND %d", 10_000+k*plantedEach, 10_000+(k+1)*plantedEach-1)
}

// A thousand differences of every kind are planted in a real ledger outside
// the service. The command names each, by its invoice and its kind; the nightly
// reconciliation keeps each for the page of the month; and nothing else is named.
func TestEveryPlantedDifferenceIsNamed(t *testing.T) {
	t.Parallel()
	kinds := []plantedKind{
		{"altered", billing.BreakAltered, 202604, 1, []string{"UPDATE adjustments SET amount_minor = amount_minor - 700 WHERE "}},
		{"missing", billing.BreakMissing, 202604, 1, []string{"DELETE FROM adjustments WHERE "}},
		{"doubled", billing.BreakAltered, 202604, 2, nil}, // below: its days do not give what it adds
		{"rejected", billing.BreakRejected, 202604, 1, []string{"UPDATE results SET status = 'rejected', reason = 'planted' WHERE "}},
		{"wrong step", billing.BreakNotEntitled, 202604, 2, []string{
			"UPDATE adjustments SET amount_minor = amount_minor * 2, items = replace(" + storetest.Items("1", "amount * 2") + ", '@20+', '@40+') WHERE ",
			"UPDATE results SET amount_minor = amount_minor * 2 WHERE ",
		}},
		{"wrong line", billing.BreakAltered, 202604, 1, []string{`UPDATE adjustments SET items = regexp_replace(items, E'^1\t', E'2\t') WHERE `}},
		{"wrong period", billing.BreakAltered, 202603, 1, []string{"UPDATE adjustments SET period = 202603 WHERE "}},
	}
	w := newTown(t)
	w.hears(models.Registered{AccountID: 1, RegisteredAt: instant(w, "2025-06-01")})
	var code string
	w.one("SELECT code FROM codes WHERE account_id = 1", &code)
	var facts []models.FactData
	const accounts = 7*plantedEach + 50 // some of which nothing is wrong with
	for n := range accounts {
		id := int64(10_000 + n)
		facts = append(facts, models.Registered{AccountID: id, RegisteredAt: instant(w, "2026-03-02")},
			models.ActivationRequested{AccountID: id, Code: code, RequestedAt: instant(w, "2026-03-03")},
			models.PromoEnded{AccountID: id, EndedAt: instant(w, "2026-03-04")},
			bill(id, 202604, 1, subscription(models.Money(100_000+5*n)), models.Line{Service: "sms_package", Amount: 5000}))
	}
	w.hears(facts...)
	w.month(202604)
	if r := w.reconciles(exitOK); r.Overall[0].Posted.Count != accounts {
		t.Fatalf("%d lines were discounted: %+v", r.Overall[0].Posted.Count, r.Overall)
	}
	for k, kind := range kinds {
		for _, statement := range kind.plant {
			w.tampers(statement + spoilt(k))
		}
	}
	// The second document has the id that follows from its number.
	for n := 2 * plantedEach; n < 3*plantedEach; n++ {
		w.tampers(fmt.Sprintf(`INSERT INTO adjustments SELECT account_id, amount_minor, run_id, posted_at, '%s', storage_period, period, posting_period, 2,
			invoice_revision, chunk_no, invoice_id, currency, reason, items FROM adjustments WHERE invoice_id = '%s'`, billing.AdjustmentID(202604, planted(n), 2), planted(n)))
	}

	named := map[string][]string{}
	r := w.reconciles(exitNegative)
	for _, b := range r.Breaks {
		named[b.InvoiceID] = append(named[b.InvoiceID], string(b.Kind)+" "+b.DocumentID)
	}
	checkPlanted(t, "the command", named, kinds)
	if int64(len(r.Breaks)) != r.BreakCount {
		t.Errorf("%d of %d breaks are named", len(r.Breaks), r.BreakCount)
	}

	found, _, err := w.opens(readOnly).signer().Reconcile(t.Context(), 202604)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.RecordReconciliation(t.Context(), 202604, found.Report(w.now)); err != nil {
		t.Fatal(err)
	}
	clear(named)
	for skip, more := 0, true; more; skip += 100 {
		page, known, err := w.store.LastReconciliation(t.Context(), 202604, skip, 100)
		if err != nil || !known {
			t.Fatal(known, err)
		}
		for _, b := range page.Breaks {
			named[b.InvoiceID] = append(named[b.InvoiceID], b.Kind+" "+b.DocumentID.String())
		}
		more = len(page.Breaks) == 100
	}
	checkPlanted(t, "the page of the month", named, kinds)
}

// plantedKind is a kind of difference.
type plantedKind struct {
	what     string
	named    billing.BreakKind
	period   models.Period // that the document named says it is of
	document int           // its number on the invoice: it is wrong, or it would put the invoice right
	plant    []string      // statements that end with the accounts
}

// checkPlanted compares what is named with what was planted.
func checkPlanted(t *testing.T, who string, named map[string][]string, kinds []plantedKind) {
	t.Helper()
	missed := map[string]int{}
	for n := range len(kinds) * plantedEach {
		kind, is := kinds[n/plantedEach], named[planted(n)]
		document := billing.AdjustmentID(kind.period, planted(n), kind.document).String()
		if !slices.Contains(is, string(kind.named)+" "+document) {
			if missed[kind.what]++; missed[kind.what] == 1 {
				t.Errorf("%s: %s of %s (%s) is named %q", who, kind.what, planted(n), document, is)
			}
		}
		delete(named, planted(n))
	}
	if len(missed) > 0 {
		t.Errorf("%s misses of each kind: %v", who, missed)
	}
	if len(named) > 0 {
		t.Errorf("%s names what was not planted: %v", who, named)
	}
}
