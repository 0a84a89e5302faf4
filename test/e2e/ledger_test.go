package e2e

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"referral/test/reference"
)

// query reads rows into values of a type, by the order of its fields.
func query[T any](w *world, sql string, args ...any) []T {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// number reads one number.
func (w *world) number(sql string, args ...any) int {
	w.t.Helper()
	return int(query[struct{ N int64 }](w, sql, args...)[0].N)
}

// insideLines is the sum per line of the ledger.
func (w *world) insideLines() map[reference.Line]int64 {
	w.t.Helper()
	type row struct {
		InvoiceID, LineID string
		Amount            int64
	}
	sums := map[reference.Line]int64{}
	for _, r := range query[row](w, `SELECT invoice_id, line_id, sum(amount_minor)::bigint FROM adjustment_items
		GROUP BY 1, 2 HAVING sum(amount_minor) <> 0`) {
		sums[reference.Line{InvoiceID: r.InvoiceID, LineID: r.LineID}] = r.Amount
	}
	return sums
}

func (w *world) insidePackages() map[reference.Package]int {
	w.t.Helper()
	type row struct {
		AccountID  int64
		SMS, Count int
	}
	count := map[reference.Package]int{}
	for _, r := range query[row](w, `SELECT account_id, sms, count(*) FROM sms_packages GROUP BY 1, 2`) {
		count[reference.Package{AccountID: r.AccountID, SMS: r.SMS}] = r.Count
	}
	return count
}

// decision is a refused activation in the storage.
type decision struct {
	AccountID int64
	Code      string
	Reason    string
}

func (w *world) insideRefusals() map[decision]int {
	w.t.Helper()
	count := map[decision]int{}
	for _, r := range query[decision](w, `SELECT account_id, code, reason FROM activations WHERE status = 'refused'`) {
		count[r]++
	}
	return count
}

// checkLedger holds what must be true of every ledger at any time.
func (w *world) checkLedger() {
	w.t.Helper()
	for rule, sql := range map[string]string{
		"a document's amount is the sum of its items": `SELECT count(*) FROM adjustments a WHERE amount_minor <>
			(SELECT sum(i.amount_minor) FROM adjustment_items i WHERE (i.account_id, i.invoice_id, i.sequence) = (a.account_id, a.invoice_id, a.sequence))`,
		"the documents of an invoice are numbered without gaps": `SELECT count(*) FROM
			(SELECT 1 FROM adjustments GROUP BY account_id, invoice_id HAVING max(sequence) <> count(*) OR min(sequence) <> 1) g`,
		"no two documents share an id": `SELECT count(*) - count(DISTINCT adjustment_id) FROM adjustments`,
		"no two packages share an id":  `SELECT count(*) - count(DISTINCT package_id) FROM sms_packages`,
		"no item without a document": `SELECT count(*) FROM adjustment_items i WHERE NOT EXISTS
			(SELECT 1 FROM adjustments a WHERE (i.account_id, i.invoice_id, i.sequence) = (a.account_id, a.invoice_id, a.sequence))`,
	} {
		if n := w.number(sql); n != 0 {
			w.t.Errorf("%s: %d times not so", rule, n)
		}
	}
}

// wanted is what must come out.
type wanted struct {
	lines    map[reference.Line]int64
	packages map[reference.Package]int
	outside  map[refusal]int
	inside   map[decision]int
}

// check compares the whole ledger with what is wanted, from the inside and from
// the outside.
func (w *world) check(what string, want wanted) {
	w.t.Helper()
	w.drained()
	w.published()
	w.inside(what, want)
	differ(w, what+": lines published", w.outsideLines(), want.lines)
	differ(w, what+": packages published", w.outsidePackages(), want.packages)
	differ(w, what+": refusals announced", w.outsideRefusals(), want.outside)
}

// inside compares the whole ledger with what is wanted, from the inside alone.
func (w *world) inside(what string, want wanted) {
	w.t.Helper()
	differ(w, what+": lines in the ledger", w.insideLines(), want.lines)
	differ(w, what+": packages in the ledger", w.insidePackages(), want.packages)
	differ(w, what+": refusals stored", w.insideRefusals(), want.inside)
	w.checkLedger()
}

const differencesShown = 10

// differ reports where two maps differ.
func differ[K, V comparable](w *world, what string, got, want map[K]V) {
	w.t.Helper()
	var lines []string
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			lines = append(lines, fmt.Sprintf("%v: %v, want %v", k, g, v))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			lines = append(lines, fmt.Sprintf("%v: %v, want none", k, g))
		}
	}
	if len(lines) == 0 {
		return
	}
	w.t.Errorf("%s: %d of %d differ", what, len(lines), len(want))
	for _, l := range lines[:min(len(lines), differencesShown)] {
		w.t.Error("  " + l)
	}
}
