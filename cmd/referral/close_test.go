package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/test/storetest"
)

// What stands against closing a month is named in one answer, and the month stays
// open; with --override it is closed, and who did so, why and against what is kept.
func TestWhatStandsAgainstClosing(t *testing.T) {
	const notAnswered = "DELETE FROM results WHERE adjustment_id IN (SELECT adjustment_id FROM adjustments WHERE account_id = 885)"
	for _, c := range []struct {
		what   string
		period string
		spoil  func(*town)
		want   []string
	}{
		{"a document is not answered", "2026-04", func(w *town) { w.tampers(notAnswered) }, []string{"it does not tie: 1 break"}},
		{"a late fact", "2026-04", func(w *town) { w.hears(bill(885, 202604, 2, subscription(1))) },
			[]string{"it does not tie: 1 break", "accounts to be settled again: 1 (`referral run 2026-04`)"}},
		{"a month that is not over", "2999-11", func(w *town) {
			w.hears(bill(885, 299911, 1, subscription(300000)))
			w.month(299911)
		}, []string{"it is not over before 2999-12-01", "earlier periods are open: 2026-04"}},
		{"the month before is open", "2026-05", func(w *town) { w.month(202605) }, []string{"earlier periods are open: 2026-04"}},
		{"a run held by the brake", "2026-04", func(w *town) {
			w.tampers("INSERT INTO runs (period, posting_period, kind, state, started_at) VALUES (202604, 202604, 'differences', 'braked', now())")
		}, []string{"the brake holds a run that would post to it"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := spring(t)
			c.spoil(w)
			before := w.dump()
			a := w.asks("close", c.period, "--by", "Anna")
			if a.status != exitNegative || a.out != "" || strings.Count(a.err, "\n") != 1 || !strings.Contains(a.err, "--override REASON closes it all the same") {
				t.Errorf("%+v", a)
			}
			for _, want := range c.want {
				if !strings.Contains(a.err, want) {
					t.Errorf("%q does not say %q", a.err, want)
				}
			}
			if after := w.dump(); after != before {
				t.Errorf("something was written:\n%s", difference(before, after))
			}
			a = w.asks("close", c.period, "--by", "Anna", "--override", "the auditors wait")
			if a.status != exitOK || !strings.Contains(a.out, "signed by Anna") || !strings.Contains(a.out, "overridden: the auditors wait; against: ") {
				t.Fatalf("%+v", a)
			}
			shown := w.asks("reconcile", c.period).out
			for _, want := range append(c.want, "OVERRIDDEN: the auditors wait", "close-override") {
				if !strings.Contains(shown, want) {
					t.Errorf("the report does not say %q:\n%s", want, shown)
				}
			}
		})
	}
}

// What nobody can override: a month that has not been run, or is closed already.
func TestWhatCannotBeClosed(t *testing.T) {
	w := spring(t)
	a := w.asks("close", "2999-11", "--by", "Anna", "--override", "x")
	for _, want := range []string{"it has not been run: `referral run 2999-11` first", "it is not over before 2999-12-01", "earlier periods are open: 2026-04"} {
		if a.status != exitNegative || !strings.Contains(a.err, want) {
			t.Errorf("%+v, want %q", a, want)
		}
	}
	if a := w.asks("close", "2026-04", "--by", "Anna"); a.status != exitOK || a.err != "" ||
		!strings.Contains(a.out, "signed by Anna") || !strings.Contains(a.out, "discounts posted -1 843.98 RUB, on 6 lines") {
		t.Fatalf("%+v", a)
	}
	a = w.asks("close", "2026-04", "--by", "Boris")
	if a.status != exitNegative || !strings.Contains(a.err, "closed already: signed by Anna on 20") || !strings.Contains(a.err, "referral reopen 2026-04") {
		t.Errorf("%+v", a)
	}
}

func TestClosingUsedWrongly(t *testing.T) {
	w := spring(t)
	for _, args := range [][]string{
		{"close", "2026-04"}, {"close", "2026-04", "--by", " "}, {"close", "2026-04", "--by", "Anna", "--override", " "},
		{"reopen", "2026-04", "--by", "Anna"}, {"reopen", "2026-04", "--reason", "x"}, {"close", "2026-04", "--by", "\xff"},
	} {
		if a := w.asks(args...); a.status != exitError || strings.Count(a.err, "\n") != 1 {
			t.Errorf("%v: %+v", args, a)
		}
	}
}

// What was signed stays as it was signed. What is posted later is listed beside it
// with the month that carries it, and both come to what the ledger holds now.
func TestTheSignedReportStays(t *testing.T) {
	w := spring(t)
	const signed, corrected = models.Money(-184398), models.Money(-3333)
	if a := w.asks("close", "2026-04", "--by", "Anna", "--reason", "April ties"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	before := w.reconciles(exitOK)
	if len(before.Corrections) != 0 || before.Signed.Overall[0].Posted != (report.Total{Count: 6, AmountMinor: signed}) || before.Signed.By != "Anna" || before.Signed.Reason != "April ties" {
		t.Errorf("just signed: %+v", before)
	}
	w.hears(models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")})
	w.month(202604)
	after := w.reconciles(exitOK)
	if !slices.Equal(after.Signed.Overall, before.Signed.Overall) || !slices.Equal(after.Signed.Controls, before.Signed.Controls) {
		t.Errorf("what was signed has changed: %+v, before %+v", after.Signed, before.Signed)
	}
	if want := []report.Correction{{PostingPeriod: 202605, Currency: "RUB", Documents: 1, AmountMinor: corrected}}; !slices.Equal(after.Corrections, want) {
		t.Errorf("corrections %+v, want %+v", after.Corrections, want)
	}
	if now := after.Overall[0].Posted.AmountMinor; now != signed+corrected {
		t.Errorf("now %s, want %s", now, signed+corrected)
	}
	w.showsSigned("signed by Anna", "-1 843.98", "-33.33", "-1 877.31", "2026-05")

	if a := w.asks("reopen", "2026-04", "--by", "Boris", "--reason", "a late invoice"); a.status != exitOK || !strings.Contains(a.out, "period 2026-04 is open again, by Boris: a late invoice") {
		t.Fatalf("%+v", a)
	}
	if r := w.reconciles(exitOK); r.Signed != nil || len(r.Earlier) != 1 || r.State != models.PeriodRun {
		t.Errorf("reopened: %+v", r)
	}
	const takenBack = "Taken back by reopening: Signed by Anna"
	if text := w.asks("reconcile", "2026-04").out; !strings.Contains(text, takenBack) || !strings.Contains(text, "Discounts posted: -1 843.98 RUB.") {
		t.Errorf("reopened, the report does not show what was signed:\n%s", text)
	}
	if a := w.asks("close", "2026-04", "--by", "Vera"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	w.showsSigned("Signed by Vera", takenBack, "posted: -1 843.98 RUB")
	again := w.reconciles(exitOK)
	if again.Signed.By != "Vera" || again.Signed.Overall[0].Posted.AmountMinor != signed+corrected || len(again.Corrections) != 0 ||
		len(again.Earlier) != 1 || again.Earlier[0].Overall[0].Posted.AmountMinor != signed || len(again.Acts) != 3 {
		t.Errorf("signed again: %+v", again)
	}
}

// showsSigned looks for the signature, the corrections and their sum in all that
// people read.
func (w *town) showsSigned(want ...string) {
	w.Helper()
	book := filepath.Join(w.TempDir(), "april.xlsx")
	w.asks("reconcile", "2026-04", "--format", "xlsx", "--output", book)
	var cells []string
	file, err := excelize.OpenFile(book)
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read
	for _, sheet := range []string{"Summary", "Signed", "Corrections", "Acts"} {
		rows, err := file.GetRows(sheet)
		if err != nil {
			w.Fatal(err)
		}
		for _, row := range rows {
			cells = append(cells, row...)
		}
	}
	minor := strings.NewReplacer(" ", "", ".", "")
	for format, text := range map[string]string{
		"table": w.asks("reconcile", "2026-04").out,
		"csv":   w.asks("reconcile", "2026-04", "--format", "csv").out,
		"xlsx":  strings.ReplaceAll(strings.Join(cells, "\n"), ",", " "),
	} {
		for _, part := range want {
			if format == "csv" && strings.HasPrefix(part, "-") {
				part = minor.Replace(part)
			}
			if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
				w.Errorf("%s does not say %q:\n%s", format, part, text)
			}
		}
	}
}

// A ledger that was changed behind the signature is found, in either direction.
func TestALedgerChangedAfterTheSignature(t *testing.T) {
	for _, c := range []struct{ change, want string }{
		{"- 100", "posted-more-than-signed"}, {"+ 100", "posted-less-than-signed"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			w := spring(t)
			if a := w.asks("close", "2026-04", "--by", "Anna"); a.status != exitOK {
				t.Fatalf("%+v", a)
			}
			w.tampers("UPDATE adjustments SET amount_minor = amount_minor " + c.change + ", items = " + storetest.Items("1", "amount "+c.change) + " WHERE account_id = 885")
			r := w.reconciles(exitNegative)
			if !slices.ContainsFunc(r.Breaks, func(b report.Break) bool { return string(b.Kind) == c.want }) {
				t.Errorf("%+v", r.Breaks)
			}
		})
	}
}

// An invoice that moves to another month after the signature takes its documents
// with it: the report says so, and the sums still tie.
func TestAnInvoiceThatMovesAfterTheSignature(t *testing.T) {
	w := spring(t)
	if a := w.asks("close", "2026-04", "--by", "Anna"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	moved := bill(902, 202605, 2, subscription(99999))
	moved.ID = "INV-2026-04-902"
	w.hears(moved)
	for range 2 {
		w.month(202604)
		w.month(202605)
	}
	r := w.reconciles(exitOK)
	if want := []report.Moved{{Currency: "RUB", AmountMinor: 20000}}; !slices.Equal(r.Moved, want) || r.Overall[0].Posted.AmountMinor != -184398+20000 {
		t.Errorf("moved %+v, want %+v; now %+v", r.Moved, want, r.Overall)
	}
	var may report.Reconciliation
	w.answers(exitOK, &may, "reconcile", "2026-05", "--format", "json")
}

// Accepting a run accepts what it posts for closed months too. That is one act,
// recorded with the month that was run.
func TestAcceptingIsRecordedOnce(t *testing.T) {
	w := spring(t)
	if a := w.asks("close", "2026-04", "--by", "Anna"); a.status != exitOK {
		t.Fatalf("%+v", a)
	}
	w.hears(models.PromoEnded{AccountID: 903, EndedAt: instant(w, "2026-04-21")})
	if a := w.asks("run", "2026-05", "--accept", "--by", "Boris", "--reason", "looked at it"); !strings.Contains(a.out, "of 2026-04 (differences): done") {
		t.Fatalf("%+v", a) // there is no broker, so that nothing is published
	}
	for month, want := range map[string]int{"2026-04": 0, "2026-05": 1} {
		if a := w.asks("reconcile", month); strings.Count(a.out, "accept-run") != want {
			t.Errorf("%s: want %d acts of accepting:\n%s", month, want, a.out)
		}
	}
}

// A person who lets a run pass the brake is named in the report.
func TestTheReportNamesWhoAccepted(t *testing.T) {
	w := spring(t)
	run, started, err := w.store.StartRun(t.Context(), models.RunRequest{Period: 202604, Full: true, Chunk: 3, Accept: true, By: "Anna", Reason: "looked at it"})
	if err != nil || !started {
		t.Fatal(run, err)
	}
	a := w.asks("reconcile", "2026-04")
	for _, want := range []string{"Anna", "accept-run", "looked at it"} {
		if !strings.Contains(a.out, want) {
			t.Errorf("the report does not say %q:\n%s", want, a.out)
		}
	}
}
