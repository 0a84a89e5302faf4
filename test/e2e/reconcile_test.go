package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"referral/internal/demo/fakebilling"
	"referral/test/storetest"
)

// reconciled is what `reconcile --format json` says.
type reconciled struct {
	Ties   bool          `json:"ties"`
	Breaks []discrepancy `json:"breaks"`
}

// discrepancy is a break by name.
type discrepancy struct {
	Kind       string `json:"kind"`
	AccountID  int64  `json:"account_id"`
	InvoiceID  string `json:"invoice_id"`
	DocumentID string `json:"document_id"`
}

// reconcile compares a period; the exit status must say the same as the answer.
func (w *world) reconcile(period string) reconciled {
	w.t.Helper()
	o := w.program("reconcile", period, "--format", "json")
	var r reconciled
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		w.t.Fatalf("%v: %s%s", err, o.stdout, o.stderr)
	}
	if status := map[bool]int{true: 0, false: 1}[r.Ties]; o.status != status || r.Ties != (len(r.Breaks) == 0) {
		w.t.Errorf("reconcile: status %d, ties %v, breaks %+v: %s", o.status, r.Ties, r.Breaks, o.stderr)
	}
	return r
}

// startBilling has a stand-in of billing answer what the program posts.
func (w *world) startBilling() *fakebilling.Billing {
	w.t.Helper()
	r, err := fakebilling.Start(context.Background(), fakebilling.Options{
		Brokers: w.servers.brokers(), Group: w.name + "-billing",
		Discounts: w.topics["discounts"], Packages: w.topics["packages"], Results: w.topics["results"],
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			w.t.Errorf("billing: %v", err)
		}
	})
	return r
}

// answered waits until billing has answered n postings and the program has
// heard it.
func (w *world) answered(r *fakebilling.Billing, n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := r.WaitFor(ctx, n); err != nil {
		w.t.Fatal(err)
	}
	w.drained()
}

// tampering is rows of the storage changed behind the program's back.
type tampering struct {
	table  string
	where  string
	change string // SQL; empty deletes the rows
}

// tamper changes rows as only a superuser can, lets something be done meanwhile,
// and puts them back.
func (w *world) tamper(meanwhile func(), all ...tampering) {
	w.t.Helper()
	var changes, back, drop []string
	for i, t := range all {
		remove, saved := fmt.Sprintf("DELETE FROM %s WHERE %s", t.table, t.where), fmt.Sprint("saved_", i)
		w.execute(fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s WHERE %s", saved, t.table, t.where))
		changes = append(changes, cmp.Or(t.change, remove))
		if t.change != "" {
			back = append(back, remove)
		}
		back, drop = append(back, fmt.Sprintf("INSERT INTO %s SELECT * FROM %s", t.table, saved)), append(drop, saved)
	}
	w.behindTriggers(changes...)
	meanwhile()
	w.behindTriggers(back...)
	w.execute("DROP TABLE " + strings.Join(drop, ", "))
}

// tamperedAccount is a document of the ledger to be tampered with.
type tamperedAccount struct {
	AccountID    int64
	InvoiceID    string
	AdjustmentID string
}

func TestReconciliationNamesEachTamperedRow(t *testing.T) {
	w, s := newWorld(t), loadSpring(t)
	w.serve()
	first := &s.phases[0]
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	w.must("run", "2026-03")
	w.published()
	posted := w.number(`SELECT (SELECT count(*) FROM adjustments) + (SELECT count(*) FROM sms_packages)`)
	if r := w.reconcile("2026-03"); r.Ties || len(r.Breaks) != posted {
		t.Errorf("before billing has answered %d postings there are %d breaks", posted, len(r.Breaks))
	}

	billing := w.startBilling()
	w.answered(billing, posted)
	w.ties()
	if got, want := billing.Totals().Amount["2026-03"], int64(w.number(`SELECT sum(amount_minor)::bigint FROM adjustments`)); got != want {
		t.Errorf("billing has booked %d, the ledger holds %d", got, want)
	}

	doc := query[tamperedAccount](w, `SELECT account_id, invoice_id, adjustment_id::text FROM adjustments ORDER BY account_id OFFSET 17 LIMIT 1`)[0]
	parcel := query[tamperedAccount](w, `SELECT account_id, invoice_id, package_id::text FROM sms_packages ORDER BY account_id LIMIT 1`)[0]
	for _, c := range cases(doc, parcel) {
		w.tamper(func() { w.names(c.what, w.reconcile("2026-03"), c.want, c.anyKind) }, c.change...)
		w.ties()
	}
	w.rejected(doc)
}

// ties holds that everything agrees, in every format.
func (w *world) ties() {
	w.t.Helper()
	if r := w.reconcile("2026-03"); !r.Ties {
		w.t.Errorf("it does not tie: %+v", r.Breaks)
	}
	for _, format := range []string{"table", "csv"} {
		if o := w.must("reconcile", "2026-03", "--format", format); strings.TrimSpace(o.stdout) == "" {
			w.t.Errorf("reconcile --format %s says nothing", format)
		}
	}
	book := filepath.Join(w.t.TempDir(), "march.xlsx")
	w.must("reconcile", "2026-03", "--format", "xlsx", "--output", book)
	if content, err := os.ReadFile(book); err != nil || !bytes.HasPrefix(content, []byte("PK")) {
		w.t.Errorf("the workbook: %d bytes, %v", len(content), err)
	}
}

// names holds that one thing is named, and no other.
func (w *world) names(what string, r reconciled, want discrepancy, anyKind bool) {
	w.t.Helper()
	if len(r.Breaks) != 1 {
		w.t.Errorf("%s: %d breaks, want one: %+v", what, len(r.Breaks), r.Breaks)
		return
	}
	got := r.Breaks[0]
	if anyKind {
		got.Kind = want.Kind
	}
	if got != want {
		w.t.Errorf("%s: named %+v, want %+v", what, got, want)
	}
}

// tampered is a case of tampering with the one break that it must give.
type tampered struct {
	what    string
	change  []tampering
	want    discrepancy
	anyKind bool // several kinds of break describe it well
}

func cases(doc, parcel tamperedAccount) []tampered {
	ofDoc := fmt.Sprintf("(account_id, invoice_id) = (%d, '%s')", doc.AccountID, doc.InvoiceID)
	oneItem := "items = " + storetest.Items("[^\\t]*", "amount - 100")
	ofParcel := fmt.Sprintf("package_id = '%s'", parcel.AdjustmentID)
	named := func(kind string) discrepancy {
		return discrepancy{kind, doc.AccountID, doc.InvoiceID, doc.AdjustmentID}
	}
	return []tampered{
		{what: "an altered item", want: named("document-altered"), change: []tampering{
			{"adjustments", ofDoc, "UPDATE adjustments SET " + oneItem + " WHERE " + ofDoc}}},
		{what: "days that nobody can read", want: named("document-altered"), change: []tampering{
			{"adjustments", ofDoc, "UPDATE adjustments SET items = replace(items, '@', '-@') WHERE " + ofDoc}}},
		{what: "an altered document", want: named("document-altered"), change: []tampering{
			{"adjustments", ofDoc, "UPDATE adjustments SET amount_minor = amount_minor - 100 WHERE " + ofDoc}}},
		{what: "a document and its items altered alike", want: named("document-altered"), change: []tampering{
			{"adjustments", ofDoc, "UPDATE adjustments SET amount_minor = amount_minor - 100, " + oneItem + " WHERE " + ofDoc}}},
		{what: "a missing document", want: named("document-missing"), change: []tampering{
			{"adjustments", ofDoc, ""}}},
		{what: "a missing answer", want: named("not-answered"), change: []tampering{
			{"results", fmt.Sprintf("adjustment_id = '%s'", doc.AdjustmentID), ""}}},
		{what: "a missing package", change: []tampering{{"sms_packages", ofParcel, ""}}, anyKind: true,
			want: discrepancy{"", parcel.AccountID, parcel.InvoiceID, parcel.AdjustmentID}},
	}
}

// rejected has billing change its mind about a document.
func (w *world) rejected(doc tamperedAccount) {
	w.t.Helper()
	w.send(fact("results", "/billing", "billing.adjustment-result.v1", "second-thoughts", doc.AccountID,
		`{"adjustment_id":%q,"status":"rejected","amount_minor":0,"reason":"the invoice is paid","at":"2099-01-01T00:00:00Z"}`, doc.AdjustmentID))
	w.drained()
	w.names("a rejection", w.reconcile("2026-03"), discrepancy{"rejected", doc.AccountID, doc.InvoiceID, doc.AdjustmentID}, false)
}
