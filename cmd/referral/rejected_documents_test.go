package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

// rejects has billing reject a document.
func (w *town) rejects(id models.UUID, reason string) {
	w.Helper()
	w.now = w.now.Add(time.Hour)
	w.hears(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultRejected, Reason: reason, At: w.now})
}

func (w *town) refuses(want string, args ...string) {
	w.Helper()
	if a := w.asks(args...); a.status != exitNegative || !strings.Contains(a.err, want) || a.out != "" {
		w.Errorf("%v: %+v, want the reason %q", args, a, want)
	}
}

// A document that billing has rejected is written off: every report says so, and
// the month ties to the kopeck.
func TestWritingOffARejectedDocument(t *testing.T) {
	w := spring(t)
	id := billing.AdjustmentID(202604, april885, 1)
	parcel := billing.PackageID(885, 1200, 1)
	w.rejects(id, "the invoice is closed")
	w.rejects(parcel, "no such tariff")
	broken := w.reconciles(exitNegative)
	if broken.BreakCount != 2 || broken.Breaks[0].Kind != billing.BreakRejected || broken.Overall[0].WrittenOff != (report.Total{}) {
		t.Errorf("after the rejection: %+v", broken.Breaks)
	}
	if a := w.asks("explain", "account", "885"); !strings.Contains(a.out, parcel.String()) {
		t.Errorf("explain does not name the package by the id that a write-off takes:\n%s", a.out)
	}
	for _, document := range []models.UUID{id, parcel} {
		a := w.asks("write-off", document.String(), "--by", "Boris", "--reason", "paid in cash")
		if a.status != exitOK || !strings.Contains(a.out, "is written off by Boris") {
			t.Fatalf("%+v", a)
		}
	}
	const amount = -(142000 + 5843)
	r := w.reconciles(exitOK)
	all := r.Overall[0]
	if all.WrittenOff != (report.Total{Count: 2, AmountMinor: amount}) || all.Answered.AmountMinor+amount != all.Published.AmountMinor || r.Overall[1].WrittenOff.Count != 1 {
		t.Errorf("%+v", r.Overall)
	}
	if n := slices.IndexFunc(r.Notices, func(n report.Notice) bool {
		return n.Kind == billing.NoticeWrittenOff && n.AmountMinor == amount && strings.Contains(n.Detail, id.String()) && strings.Contains(n.Detail, "by Boris") && strings.Contains(n.Detail, "paid in cash")
	}); n < 0 {
		t.Errorf("notices %+v", r.Notices)
	}
	for _, format := range []string{"table", "csv"} {
		a := w.asks("reconcile", "2026-04", "--format", format)
		for _, want := range []string{"written", "1478", "Boris", "paid in cash"} {
			if !strings.Contains(strings.ReplaceAll(a.out, " ", ""), strings.ReplaceAll(want, " ", "")) {
				t.Errorf("as %s, %q is missing:\n%s", format, want, a.out)
			}
		}
	}
	w.sheetsSay("written off", "-1478.43")
	for _, args := range [][]string{{"explain", "invoice", april885}, {"explain", "account", "885"}} {
		if a := w.asks(args...); !strings.Contains(a.out, "written off by Boris on") || !strings.Contains(a.out, "paid in cash") {
			t.Errorf("%v:\n%s", args, a.out)
		}
	}
	w.refuses("written off by Boris", "resend", id.String(), "--by", "Anna")
	w.refuses("written off by Boris", "write-off", id.String(), "--by", "Anna", "--reason", "again")

	w.now = w.now.Add(time.Hour)
	w.hears(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultApplied, Amount: amount, At: w.now})
	r = w.reconciles(exitNegative)
	if r.BreakCount != 1 || r.Breaks[0].Kind != billing.BreakPaidWrittenOff || r.Breaks[0].ActualMinor != amount || r.Breaks[0].ExpectedMinor != 0 {
		t.Errorf("booked although written off: %+v", r.Breaks)
	}
}

// sheetsSay looks for cells in the sheet of control totals.
func (w *town) sheetsSay(cells ...string) {
	w.Helper()
	path := filepath.Join(w.TempDir(), "r.xlsx")
	if a := w.asks("reconcile", "2026-04", "--format", "xlsx", "--output", path); a.status != exitOK {
		w.Fatalf("%+v", a)
	}
	book, err := excelize.OpenFile(path)
	if err != nil {
		w.Fatal(err)
	}
	defer book.Close() //nolint:errcheck // it was only read
	rows, err := book.GetRows("Controls", excelize.Options{RawCellValue: true})
	if err != nil {
		w.Fatal(err)
	}
	said := slices.Concat(rows...)
	for _, cell := range cells {
		if !slices.Contains(said, cell) {
			w.Errorf("no cell %q in %v", cell, rows)
		}
	}
}

// A document that was sent again waits for billing's next answer.
func TestSendingARejectedDocumentAgain(t *testing.T) {
	w := spring(t)
	id := billing.AdjustmentID(202604, april885, 1)
	w.rejects(id, "the invoice is closed")
	if a := w.asks("resend", id.String(), "--by", "Anna", "--reason", "it is open again"); a.status != exitOK || !strings.Contains(a.out, "will be published again") {
		t.Fatalf("%+v", a)
	}
	w.refuses("not been published yet", "resend", id.String(), "--by", "Anna")
	w.refuses("not been published yet", "write-off", id.String(), "--by", "Anna", "--reason", "enough")
	if r := w.reconciles(exitNegative); r.BreakCount != 1 || r.Breaks[0].Kind != billing.BreakUnpublished {
		t.Errorf("%+v", r.Breaks)
	}
	w.publishes()
	if r := w.reconciles(exitNegative); r.BreakCount != 1 || r.Breaks[0].Kind != billing.BreakUnanswered {
		t.Errorf("%+v", r.Breaks)
	}
	if a := w.asks("explain", "invoice", april885); !strings.Contains(a.out, "resent by Anna on") || !strings.Contains(a.out, "it is open again") {
		t.Errorf("%s", a.out)
	}
	w.now = w.now.Add(time.Hour)
	w.hears(models.Result{AdjustmentID: id, AccountID: 885, Status: models.ResultApplied, Amount: -(142000 + 5843), At: w.now})
	w.reconciles(exitOK)
	w.refuses("billing has applied it", "resend", id.String(), "--by", "Anna")
}

func TestDecisionsRefuseWrongUse(t *testing.T) {
	w := spring(t)
	id := billing.AdjustmentID(202604, april885, 1).String()
	for _, args := range [][]string{
		{"resend"}, {"resend", id}, {"resend", "885", "--by", "Anna"}, {"write-off", id, "--by", "Anna"}, {"write-off", id, "--reason", "x"},
		{"write-off", id, "--by", "Anna", "--reason", " "},
	} {
		if a := w.asks(args...); a.status != exitError || a.out != "" || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%v: %+v", args, a)
		}
	}
	unknown := billing.AdjustmentID(202604, "INV-OF-NOBODY", 1).String()
	w.refuses("the ledger has no document", "resend", unknown, "--by", "Anna")
	w.refuses("the ledger has no document", "write-off", unknown, "--by", "Anna", "--reason", "x")
}
