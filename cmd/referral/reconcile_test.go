package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
	"referral/test/storetest"
)

const april885 = "INV-2026-04-885"

func (w *town) reconciles(status int) report.Reconciliation {
	w.Helper()
	var r report.Reconciliation
	w.answers(status, &r, "reconcile", "2026-04", "--format", "json")
	if r.Ties != (status == exitOK) || r.Ties != (r.BreakCount == 0) || r.BreakCount != int64(len(r.Breaks)) {
		w.Errorf("status %d, ties %v, %d breaks: %+v", status, r.Ties, r.BreakCount, r.Breaks)
	}
	return r
}

func TestAMonthThatTies(t *testing.T) {
	w := spring(t)
	r := w.reconciles(exitOK)
	// 885: 142000 + round(12345 × 1420 / 3000); 902: 20 % of 30 days; 700: step 1
	// all month; 701: 20 days of 30, a line and a credit.
	const owed = -(142000 + 5843 + 20000 + 15555 + 1333 - 333)
	want := report.Total{Count: 6, AmountMinor: owed}
	if len(r.Overall) != 2 || r.Overall[0].Entitled != want || r.Overall[0].Answered != want {
		t.Errorf("overall %+v, want %+v", r.Overall, want)
	}
	var kinds []string
	for _, c := range r.Controls {
		if !c.Ties {
			t.Errorf("%+v does not tie", c)
		}
		kinds = append(kinds, fmt.Sprint(c.Kind, " ", c.Percent+c.SMS))
	}
	if want := []string{"invitee 20", "inviter 20", "inviter 40", "inviter 60", "sms 1200"}; !slices.Equal(kinds, want) {
		t.Errorf("controls of %v, want %v", kinds, want)
	}
	if r.State != models.PeriodRun || r.Invoices != 5 || r.Documents != 4 || r.Packages != 1 || r.Nothing {
		t.Errorf("%+v", r)
	}
	w.notesNothing()
}

// notesNothing makes sure that a report by hand leaves the metric of the nightly check
// alone, whatever it found.
func (w *town) notesNothing() {
	w.Helper()
	var noted int64
	w.one("SELECT count(*) FROM reconciliations", &noted)
	if noted != 0 {
		w.Errorf("the command noted %d reconciliations", noted)
	}
}

func TestAPeriodWithNothingTies(t *testing.T) {
	w := newTown(t)
	if r := w.reconciles(exitOK); !r.Nothing {
		t.Errorf("%+v", r)
	}
	if a := w.asks("reconcile", "2026-04"); a.status != exitOK || !strings.Contains(a.out, "there is nothing in this period, so it ties") {
		t.Errorf("%+v", a)
	}
}

// However one document is altered, that one is named, and no other.
func TestExactlyTheOneThatDoesNotTieIsNamed(t *testing.T) {
	const (
		of885     = "account_id = 885 AND invoice_id = '" + april885 + "'"
		first     = " AND sequence = 1"
		second    = " AND sequence = 2"
		document  = "UPDATE adjustments SET amount_minor = amount_minor + 100 WHERE " + of885
		newID     = "UPDATE adjustments SET adjustment_id = '00000000-0000-4000-8000-000000000001' WHERE " + of885
		items     = "UPDATE adjustments SET items = '' WHERE " + of885
		documents = "DELETE FROM adjustments WHERE " + of885
		answer    = "(SELECT adjustment_id FROM adjustments WHERE " + of885
	)
	item := func(line, amount string) string {
		return "UPDATE adjustments SET items = " + storetest.Items(line, amount) + " WHERE " + of885
	}
	for _, c := range []struct {
		what     string
		tamper   []string
		kind     billing.BreakKind
		document int
	}{
		{"an item", []string{item("1", "amount + 100") + first}, billing.BreakAltered, 1},
		{"an item of the second document", []string{item("1", "amount + 100") + second}, billing.BreakAltered, 2},
		{"the document's amount", []string{document + first}, billing.BreakAltered, 1},
		{"the second document's amount", []string{document + second}, billing.BreakAltered, 2},
		{"both", []string{item("1", "amount + 100") + first, document + first}, billing.BreakAltered, 1},
		{"both, of the second document", []string{item("1", "amount + 100") + second, document + second}, billing.BreakAltered, 2},
		{"its id", []string{newID + first}, billing.BreakAltered, 1},
		{"the second document's id", []string{newID + second}, billing.BreakAltered, 2},
		{"its id, amount and item", []string{newID + first, item("1", "amount + 100") + first, document + first}, billing.BreakAltered, 1},
		{"an amount moved from line to line", []string{item("1", "amount + 100") + first, item("2", "amount - 100") + first}, billing.BreakAltered, 1},
		{"the currency", []string{"UPDATE adjustments SET currency = 'USD' WHERE " + of885 + second}, billing.BreakAltered, 2},
		{"all its items are gone", []string{items + first}, billing.BreakAltered, 1},
		{"an answer is missing", []string{"DELETE FROM results WHERE adjustment_id = " + answer + first + ")"}, billing.BreakUnanswered, 1},
		{"an answer is a rejection", []string{"UPDATE results SET status = 'rejected' WHERE adjustment_id = " + answer + second + ")"}, billing.BreakRejected, 2},
		{"an answer has a smaller amount", []string{"UPDATE results SET amount_minor = amount_minor + 1 WHERE adjustment_id = " + answer + first + ")"}, billing.BreakAnsweredLess, 1},
		{"an answer has a larger amount", []string{"UPDATE results SET amount_minor = amount_minor - 1 WHERE adjustment_id = " + answer + first + ")"}, billing.BreakAnsweredMore, 1},
		{"the first document is deleted", []string{documents + first}, billing.BreakMissing, 1},
		{"the last document is deleted", []string{documents + second}, billing.BreakMissing, 2},
		{"the last document and its answer are deleted", []string{
			"DELETE FROM results WHERE adjustment_id = " + answer + second + ")", documents + second}, billing.BreakNotPosted, 2},
		{"the first document and its answer are deleted", []string{
			"DELETE FROM results WHERE adjustment_id = " + answer + first + ")", documents + first}, billing.BreakMissing, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := spring(t)
			// A second document on the invoice: a friend was told late.
			w.hears(
				models.Registered{AccountID: 904, RegisteredAt: instant(w, "2026-04-25")},
				models.ActivationRequested{AccountID: 904, Code: "CODE00001", RequestedAt: instant(w, "2026-04-25")},
			)
			w.month(202604)
			w.reconciles(exitOK)
			w.tampers(c.tamper...)
			r := w.reconciles(exitNegative)
			if len(r.Breaks) != 1 {
				t.Fatalf("%d breaks, want one: %+v", len(r.Breaks), r.Breaks)
			}
			want := billing.AdjustmentID(202604, april885, c.document).String()
			if b := r.Breaks[0]; b.Kind != c.kind || b.DocumentID != want || b.AccountID != 885 || b.InvoiceID != april885 {
				t.Errorf("named %+v, want %s of document %d, %s", b, c.kind, c.document, want)
			}
		})
	}
}

func TestExactlyTheOnePackageIsNamed(t *testing.T) {
	const answer = "(SELECT package_id FROM sms_packages WHERE account_id = 885)"
	for _, c := range []struct {
		what   string
		tamper []string
		kind   billing.BreakKind
	}{
		{"it is deleted", []string{"DELETE FROM sms_packages"}, billing.BreakMissing},
		{"it and its answer are deleted", []string{"DELETE FROM results WHERE adjustment_id = " + answer, "DELETE FROM sms_packages"}, billing.BreakNotPosted},
		{"its id", []string{"UPDATE sms_packages SET package_id = '00000000-0000-4000-8000-000000000001'"}, billing.BreakAltered},
		{"no answer", []string{"DELETE FROM results WHERE adjustment_id = " + answer}, billing.BreakUnanswered},
		{"rejected", []string{"UPDATE results SET status = 'rejected' WHERE adjustment_id = " + answer}, billing.BreakRejected},
		{"it was charged", []string{"UPDATE results SET amount_minor = 5 WHERE adjustment_id = " + answer}, billing.BreakAnsweredLess},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := spring(t)
			w.tampers(c.tamper...)
			r := w.reconciles(exitNegative)
			want := billing.PackageID(885, 1200, 1).String()
			if len(r.Breaks) != 1 || r.Breaks[0].Kind != c.kind || r.Breaks[0].DocumentID != want || r.Breaks[0].InvoiceID != april885 {
				t.Errorf("named %+v, want one %s of %s", r.Breaks, c.kind, want)
			}
		})
	}
}

// What is wrong with one month is no break of another.
func TestADocumentMissingInMayDoesNotBreakApril(t *testing.T) {
	w := spring(t)
	w.hears(bill(885, 202605, 1, subscription(300000)))
	w.now = w.now.AddDate(0, 1, 0)
	w.month(202605)
	w.tampers("DELETE FROM adjustments WHERE period = 202605")
	w.reconciles(exitOK)
	var may report.Reconciliation
	w.answers(exitNegative, &may, "reconcile", "2026-05", "--format", "json")
	if len(may.Breaks) != 1 || may.Breaks[0].Kind != billing.BreakMissing {
		t.Errorf("May: %+v", may.Breaks)
	}
}

// An answer that fits no document is named under the month that was settled when
// it came, and no longer once billing takes it back.
func TestAnAnswerToNothing(t *testing.T) {
	w := spring(t)
	w.hears(models.Result{AdjustmentID: models.UUID{1}, AccountID: 885, Status: models.ResultApplied, Amount: -500, At: w.now})
	r := w.reconciles(exitNegative)
	if len(r.Breaks) != 1 || r.Breaks[0].Kind != billing.BreakUnknownReply || r.Breaks[0].ActualMinor != -500 {
		t.Errorf("%+v", r.Breaks)
	}
	for _, other := range []string{"2026-03", "2026-05"} {
		w.answers(exitOK, &r, "reconcile", other, "--format", "json")
	}
	w.hears(models.Result{AdjustmentID: models.UUID{1}, AccountID: 885, Status: models.ResultRejected, At: w.now.Add(time.Hour)})
	w.reconciles(exitOK)
}

// A fact that changes which days are discounted, and not by how much, leaves
// nothing to post and nothing to complain of.
func TestOtherDaysOfTheSameAmountTie(t *testing.T) {
	w := newTown(t)
	w.befriends(10, map[int64]string{11: "2026-04-11"})
	w.hears(bill(10, 202604, 1, subscription(10)))
	w.month(202604) // 20 days at 20 %: 1.33 kopecks
	w.hears(
		models.Registered{AccountID: 12, RegisteredAt: instant(w, "2026-04-30")},
		models.ActivationRequested{AccountID: 12, Code: "CODE00001", RequestedAt: instant(w, "2026-04-30")},
	)
	w.month(202604) // 19 days at 20 % and one at 40 %: 1.4 kopecks
	if r := w.reconciles(exitOK); r.Documents != 1 || len(r.Controls) != 2 {
		t.Errorf("%d documents, controls %+v", r.Documents, r.Controls)
	}
}

func TestTheBreaksBeforeAndAfterEachStage(t *testing.T) {
	w := newTown(t)
	w.befriends(885, map[int64]string{901: "2026-01-10", 902: "2026-03-05", 903: "2026-04-20"})
	w.hears(bill(885, 202604, 1, subscription(300000)))
	want := func(status int, kind billing.BreakKind) {
		t.Helper()
		r := w.reconciles(status)
		if status == exitNegative && (len(r.Breaks) != 2 || r.Breaks[0].Kind != kind || r.Breaks[1].Kind != kind) {
			t.Errorf("breaks %+v, want %s of a document and a package", r.Breaks, kind)
		}
	}
	onTheirWay := func(n int64) {
		t.Helper()
		r := w.reconciles(exitNegative)
		if r.OnTheWay != n {
			t.Errorf("%d are on their way, want %d", r.OnTheWay, n)
		}
		w.notesNothing()
	}
	want(exitNegative, billing.BreakNotPosted)
	onTheirWay(0)
	w.settles(202604)
	want(exitNegative, billing.BreakUnpublished)
	onTheirWay(2)
	w.publishes()
	want(exitNegative, billing.BreakUnanswered)
	onTheirWay(2)
	if a := w.asks("reconcile", "2026-04"); !strings.Contains(a.out, "billing may still answer: 2") {
		t.Errorf("the table does not say what is on its way:\n%s", a.out)
	}
	w.tampers("UPDATE adjustments SET posted_at = posted_at - interval '12 hours'")
	onTheirWay(1)
	w.tampers("UPDATE sms_packages SET posted_at = posted_at - interval '12 hours'")
	onTheirWay(0)
	w.billingApplies()
	want(exitOK, "")
}

// The differences of a closed month go to the open one, and both tie.
func TestAClosedMonth(t *testing.T) {
	w := spring(t)
	if a := w.asks("close", "2026-04", "--by", "finance"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	w.hears(models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")})
	w.month(202604)
	if r := w.reconciles(exitOK); r.State != models.PeriodClosed || r.ClosedAt.IsZero() {
		t.Errorf("%+v", r)
	}
	var may report.Reconciliation
	w.answers(exitOK, &may, "reconcile", "2026-05", "--format", "json")
	if want := (report.Foreign{Documents: 1, AmountMinor: -3333}); may.Foreign != want || may.Nothing {
		t.Errorf("posted into May %+v, want %+v", may.Foreign, want)
	}
}

// Derived rows that were tampered with are named by their account.
func TestTamperedEntitlementsAreNamed(t *testing.T) {
	w := spring(t)
	w.tampers("UPDATE discounts SET percent = 100 WHERE account_id = 902")
	r := w.reconciles(exitNegative)
	if len(r.Breaks) != 1 || r.Breaks[0].Kind != billing.BreakDerivedMore || r.Breaks[0].AccountID != 902 {
		t.Errorf("%+v", r.Breaks)
	}
}

func TestNoticesOfWhatTies(t *testing.T) {
	w := spring(t)
	w.hears(bill(700, 202604, 2, subscription(77777), models.Line{Service: "fax", Amount: 400}))
	// The last friend turns out to have left the ladder's third step to nobody:
	// the second one came after the ladder had ended.
	w.tampers("UPDATE referrals SET activated_at = '2025-08-01' WHERE invitee_id = 901", "DELETE FROM package_grants WHERE account_id = 885")
	var r report.Reconciliation
	a := w.asks("reconcile", "2026-04", "--format", "json")
	unmarshal(t, a.out, &r)
	if len(r.Held) != 1 || r.Held[0] != (report.Held{Service: "fax", Lines: 1, AmountMinor: 400}) {
		t.Errorf("held %+v", r.Held)
	}
	var kinds []string
	for _, n := range r.Notices {
		kinds = append(kinds, string(n.Kind))
	}
	if want := []string{"held-line", "surplus-package"}; !slices.Equal(kinds, want) {
		t.Errorf("notices %+v, want %v", r.Notices, want)
	}
}

func TestTheTableForPeople(t *testing.T) {
	w := spring(t)
	w.tampers("DELETE FROM results WHERE adjustment_id IN (SELECT adjustment_id FROM adjustments WHERE account_id = 885)")
	a := w.asks("reconcile", "2026-04")
	if a.status != exitNegative || !strings.Contains(a.err, "2026-04 does not tie: 1 break, see the report") {
		t.Errorf("status %d: %s", a.status, a.err)
	}
	for _, want := range []string{
		"Reconciliation of 2026-04: IT DOES NOT TIE, 1 break", "inviter 60 %, RUB", "package of 1200 SMS", "DIFFERS",
		"not-answered", "account 885  invoice " + april885, "billing has not answered document 1",
	} {
		if !strings.Contains(a.out, want) {
			t.Errorf("the table does not say %q:\n%s", want, a.out)
		}
	}
}

func TestCSVHoldsNoFormula(t *testing.T) {
	w := newTown(t)
	w.befriends(885, map[int64]string{901: "2026-01-10"})
	evil := bill(885, 202604, 1, subscription(300000))
	evil.ID = `=HYPERLINK("http://evil/","x")`
	w.hears(evil)
	a := w.asks("reconcile", "2026-04", "--format", "csv")
	if a.status != exitNegative {
		t.Errorf("%+v", a)
	}
	rows, err := csv.NewReader(strings.NewReader(a.out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found, formula := false, regexp.MustCompile("^ *[=+@\t\r\n-]")
	for _, row := range rows {
		found = found || slices.Contains(row, "'"+evil.ID)
		for i, cell := range row {
			if numeric := strings.HasSuffix(rows[0][i], "_minor"); !numeric && formula.MatchString(cell) {
				t.Errorf("%s is %q", rows[0][i], cell)
			}
		}
	}
	if !found {
		t.Errorf("the invoice is not named:\n%s", a.out)
	}
}

func TestTheWorkbook(t *testing.T) {
	w := spring(t)
	w.tampers("UPDATE results SET status = 'rejected', reason = '=1+1' WHERE adjustment_id IN (SELECT adjustment_id FROM adjustments WHERE account_id = 885)")
	file := filepath.Join(t.TempDir(), "april.xlsx")
	if a := w.asks("reconcile", "2026-04", "--format", "xlsx", "--output", file); a.status != exitNegative || a.out != "" {
		t.Errorf("%+v", a)
	}
	book, err := excelize.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close() //nolint:errcheck // only read
	if got := book.GetSheetList(); !slices.Equal(got, []string{"Summary", "Controls", "Breaks", "Notices", "Acts"}) {
		t.Errorf("sheets %v", got)
	}
	breaks, err := book.GetRows("Breaks")
	if err != nil || len(breaks) != 2 {
		t.Fatalf("%v, %v", breaks, err)
	}
	if got := breaks[1]; got[0] != "rejected" || got[2] != april885 || got[5] != "-1,478.43" || got[7] != "billing rejected document 1: =1+1" {
		t.Errorf("the break reads %q", got)
	}
	if a := w.asks("reconcile", "2026-04", "--format", "xlsx"); !bytes.HasPrefix([]byte(a.out), []byte("PK")) {
		t.Errorf("standard output holds %q…", a.out[:min(len(a.out), 20)])
	}
}

func TestReconcileUsedWrongly(t *testing.T) {
	w := newTown(t)
	for _, args := range [][]string{
		{"reconcile"}, {"reconcile", "April"}, {"reconcile", "2026-04", "--format", "pdf"},
		{"reconcile", "2026-04", "--output", filepath.Join(t.TempDir(), "no", "such", "folder")},
	} {
		if a := w.asks(args...); a.status != exitError || a.err == "" {
			t.Errorf("%v: %+v", args, a)
		}
	}
}

// The metrics show what the last night found, whatever is found by hand since.
func TestReconcilingByHandChangesNoMetric(t *testing.T) {
	w := newTown(t)
	w.befriends(885, map[int64]string{901: "2026-01-10"})
	w.hears(bill(885, 202604, 1, subscription(300000)))
	w.settles(202604)
	found, _, err := w.opens(readOnly).signer().Reconcile(t.Context(), 202604)
	if err == nil {
		err = w.store.RecordReconciliation(t.Context(), 202604, found.Report(w.now))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.hears(bill(885, 202604, 2, subscription(400000)), bill(901, 202604, 1, subscription(300000)))
	before, err := w.store.Stats(t.Context())
	if err != nil || before.Breaks[202604] != 1 {
		t.Fatalf("%+v, %v", before, err)
	}
	if r := w.reconciles(exitNegative); r.BreakCount == 1 {
		t.Fatalf("breaks %+v", r.Breaks)
	}
	if after, err := w.store.Stats(t.Context()); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("%+v, %v, before it %+v", after, err, before)
	}
}

// Looking changes nothing: not even terms that the service has not adopted.
func TestReconcilingAdoptsNoTerms(t *testing.T) {
	w := spring(t)
	if _, err := w.store.AdoptTerms(t.Context(), "others", w.derive); err != nil {
		t.Fatal(err)
	}
	a := w.asks("reconcile", "2026-04")
	if a.status != exitOK || !strings.Contains(a.out, "are not those in force") {
		t.Errorf("%+v", a)
	}
	if digest, err := w.store.TermsInForce(t.Context()); err != nil || digest != "others" {
		t.Errorf("the terms in force are %q, %v", digest, err)
	}
}

func TestAFileThatCannotBeWrittenIsTakenAway(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report")
	err := writeOutput(io.Discard, file, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return fmt.Errorf("no more")
	})
	if err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
}

func TestAFormOfCSVThatThereIsNot(t *testing.T) {
	for args, want := range map[string]string{
		"--format csv --csv word":   `invalid argument "word" for "--csv" flag: it must be one of plain, excel`,
		"--csv excel":               "--csv goes with --format csv only",
		"--format xlsx --csv excel": "--csv goes with --format csv only",
	} {
		if status, _, complaint := said(t, append([]string{"reconcile", "2026-04"}, strings.Fields(args)...)...); status != exitError || !strings.Contains(complaint, want) {
			t.Errorf("%s: status %d, said %q", args, status, complaint)
		}
	}
}

func TestTheFormOfCSV(t *testing.T) {
	for _, c := range []struct {
		flag, configured report.CSVForm
		excel            bool
	}{{"", report.CSVPlain, false}, {"", report.CSVExcel, true}, {report.CSVExcel, report.CSVPlain, true}, {report.CSVPlain, report.CSVExcel, false}} {
		format := "csv"
		f := reportFlags{format: &format, csv: c.flag}
		var file bytes.Buffer
		if err := f.write(&file, &report.Reconciliation{Period: 202604}, c.configured); err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(file.String(), "\ufeff"); got != c.excel {
			t.Errorf("--csv %q over reports.csv %q: for Excel %v, want %v", c.flag, c.configured, got, c.excel)
		}
	}
}
