package billing_test

import (
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// history is what happened to a document: "r1 s1 a3" is a rejection that billing
// dated the first hour, a resend after it, and an application of the third hour.
type history string

var origin = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func (h history) tell(t *testing.T, d *models.AuditDocument) {
	t.Helper()
	d.Published, d.Answers = true, nil
	for _, step := range strings.Fields(string(h)) {
		var n int
		if len(step) > 1 {
			n = int(step[1] - '0')
		}
		at := origin.Add(time.Duration(n) * time.Hour)
		switch step[0] {
		case 'u':
			d.Published = false
		case 'a', 'r':
			status := models.ResultApplied
			if step[0] == 'r' {
				status = models.ResultRejected
			}
			d.Answers = append(d.Answers, models.Result{AdjustmentID: d.ID, Status: status, Amount: d.Amount, Reason: "closed", At: at})
		case 's', 'q': // sent again, or still in the queue
			answer, _ := models.Answer(d.Answers)
			d.Resends = append(d.Resends, models.Resend{At: at, By: "Anna", RejectedAt: answer.At, Published: step[0] == 's'})
		case 'w':
			d.WriteOff = &models.WriteOff{At: at, By: "Boris", Reason: "paid in cash"}
		default:
			t.Fatalf("step %q", step)
		}
	}
}

// What may be decided about a document, what its client is told, and what the
// reconciliation makes of it. The totals tie exactly when there is no break.
func TestWhatBecomesOfARejectedDocument(t *testing.T) {
	const no, yes = false, true
	for _, c := range []struct {
		history           history
		state             billing.DocumentState
		resend, writeOff  bool
		kind              billing.BreakKind
		answered, settled models.Money
	}{
		{"u", billing.DocumentPosted, no, no, billing.BreakUnpublished, 0, 0},
		{"", billing.DocumentPublished, no, no, billing.BreakUnanswered, 0, 0},
		{"a1", billing.DocumentApplied, no, no, "", -6000, 0},
		{"r1", billing.DocumentRejected, yes, yes, billing.BreakRejected, 0, 0},
		{"u r1", billing.DocumentRejected, yes, yes, billing.BreakUnpublished, 0, 0}, // billing is faster than the mark
		{"a1 r2", billing.DocumentRejected, yes, yes, billing.BreakRejected, 0, 0},
		{"r2 a1", billing.DocumentRejected, yes, yes, billing.BreakRejected, 0, 0}, // the latest by its date
		{"r1 q2", billing.DocumentResent, no, no, billing.BreakUnpublished, 0, 0},
		{"r1 q2 r3", billing.DocumentRejected, no, no, billing.BreakRejected, 0, 0}, // written off now, it would go out all the same
		{"r1 s2", billing.DocumentResent, yes, yes, billing.BreakUnanswered, 0, 0},
		{"r1 s2 r1", billing.DocumentResent, yes, yes, billing.BreakUnanswered, 0, 0}, // the old answer, again
		{"r1 s2 a3", billing.DocumentApplied, no, no, "", -6000, 0},
		{"r5 s2 a6", billing.DocumentApplied, no, no, "", -6000, 0}, // billing's clock is ahead of ours
		{"r1 s2 r3", billing.DocumentRejected, yes, yes, billing.BreakRejected, 0, 0},
		{"r1 s2 r3 s4", billing.DocumentResent, yes, yes, billing.BreakUnanswered, 0, 0},
		{"r1 w2", billing.DocumentWrittenOff, no, no, "", 0, -6000},
		{"r1 s2 w3", billing.DocumentWrittenOff, no, no, "", 0, -6000},
		{"r1 w2 r3", billing.DocumentWrittenOff, no, no, "", 0, -6000},
		{"r1 s2 w3 a4", billing.DocumentApplied, no, no, billing.BreakPaidWrittenOff, -6000, -6000},
		{"r1 w2 a3 r4", billing.DocumentWrittenOff, no, no, "", 0, -6000}, // billing has taken it back
	} {
		a := newAudited(t)
		account := a.friendly(1)
		d := &account.Invoices[0].Documents[0]
		c.history.tell(t, d)
		ledger := &models.LedgerDocument{ID: d.ID, Amount: d.Amount, DocumentHistory: d.DocumentHistory}
		if err := billing.MayResend(ledger); (err == nil) != c.resend {
			t.Errorf("%q: resending: %v", c.history, err)
		}
		if err := billing.MayWriteOff(ledger); (err == nil) != c.writeOff {
			t.Errorf("%q: writing off: %v", c.history, err)
		}
		e, _ := a.p.ExplainInvoice(account, "INV-1")
		if e.Documents[0].State != c.state {
			t.Errorf("%q is %s, want %s", c.history, e.Documents[0].State, c.state)
		}
		checkUnbooked(t, c.history, c.state, &e.InvoiceSums)
		r := a.reconcile(models.AuditHead{}, account)
		var kind billing.BreakKind
		if len(r.Breaks) == 1 {
			kind = r.Breaks[0].Kind
		}
		if kind != c.kind || r.BreakCount > 1 || r.Ties() != (c.kind == "") {
			t.Errorf("%q: ties %v, breaks %+v, want %q", c.history, r.Ties(), r.Breaks, c.kind)
		}
		got := r.Overall()[0]
		if got.Answered.Amount != c.answered || got.WrittenOff.Amount != c.settled || got.Posted.Amount != -6000 || got.Entitled.Amount != -6000 {
			t.Errorf("%q: totals %+v", c.history, got.Control)
		}
		noted := r.NoticeCount == 1 && r.Notices[0].Kind == billing.NoticeWrittenOff && r.Notices[0].Amount == -6000
		if noted != (d.WriteOff != nil) {
			t.Errorf("%q: notices %+v", c.history, r.Notices)
		}
	}
}

// checkUnbooked holds that the page's sums say what the document's state says.
func checkUnbooked(t *testing.T, h history, state billing.DocumentState, s *billing.InvoiceSums) {
	t.Helper()
	want := map[billing.DocumentState][4]models.Money{
		billing.DocumentRejected: {0, -6000, 0, 0}, billing.DocumentResent: {0, 0, -6000, 0}, billing.DocumentWrittenOff: {0, 0, 0, -6000},
	}
	sums, unbooked := want[state]
	if !unbooked {
		sums = [4]models.Money{-6000}
	}
	if got := [4]models.Money{s.Booked(), s.Rejected, s.Resent, s.WrittenOff}; got != sums {
		t.Errorf("%q: booked, rejected, resent, written off %v, want %v", h, got, sums)
	}
}

// A line of which a part was booked and a part settled by hand ties to the kopeck,
// and counts once.
func TestALineIsSettledByHandInPart(t *testing.T) {
	a := newAudited(t)
	c := a.friendly(1)
	inv := &c.Invoices[0]
	inv.Invoice.Revision, inv.Invoice.Lines[0].Amount = 2, 45001
	out := a.p.Settle(models.Run{Period: 202604, PostingPeriod: 202604}, &models.SettlementInput{AccountID: 1, Discounts: c.Stored.Discounts, Invoices: []models.InvoiceInput{{
		Invoice: inv.Invoice, Sequence: 1, Revision: 1, Posted: []models.PostedLine{{LineID: "1", Service: "subscription", Amount: -6000}},
	}}})
	later := models.AuditDocument{Adjustment: out.Adjustments[0]}
	history("r1 w2").tell(t, &later)
	inv.Documents = append(inv.Documents, later)
	r := a.reconcile(models.AuditHead{}, c)
	got := r.Overall()[0].Control
	want := models.Control{Entitled: models.CountedAmount{Count: 1, Amount: -9000}, Posted: models.CountedAmount{Count: 1, Amount: -9000}, Published: models.CountedAmount{Count: 1, Amount: -9000},
		Answered: models.CountedAmount{Count: 1, Amount: -6000}, WrittenOff: models.CountedAmount{Amount: -3000}}
	if !r.Ties() || got != want {
		t.Errorf("ties %v, %+v, breaks %+v", r.Ties(), got, r.Breaks)
	}
}

// What was sent again a short while ago is on its way, as what was posted then is.
func TestAResendIsOnItsWay(t *testing.T) {
	for _, c := range []struct {
		history  history
		grace    time.Duration
		strict   bool
		breaks   int64
		onTheWay int64
	}{
		{"r1 s2", 12 * time.Hour, false, 0, 1},
		{"r1 q2", 12 * time.Hour, false, 0, 1},
		{"r1 s2", 12 * time.Hour, true, 1, 1},
		{"r1 s2", time.Minute, false, 1, 0},
		{"r1", 12 * time.Hour, false, 1, 0}, // a rejection is not on its way, however young
	} {
		a := newAudited(t)
		a.patience = billing.AnswerGrace{Now: origin.Add(3 * time.Hour), Grace: c.grace, Strict: c.strict}
		account := a.friendly(1)
		c.history.tell(t, &account.Invoices[0].Documents[0])
		r := a.reconcile(models.AuditHead{}, account)
		if r.BreakCount != c.breaks || r.OnTheWay != c.onTheWay || r.Ties() != (c.breaks == 0) {
			t.Errorf("%q, grace %s, strict %v: %d on their way, ties %v, breaks %+v", c.history, c.grace, c.strict, r.OnTheWay, r.Ties(), r.Breaks)
		}
	}
}
