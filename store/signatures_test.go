package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/models"
)

// closes signs a period with its totals as an audit finds them.
func (l *life) closes(p models.Period, who, override string) (models.Signature, error) {
	l.Helper()
	var r *billing.Reconciliation
	var last int64
	err := l.Audit(l.Context(), p, func(head models.AuditHead) error {
		r, last = billing.NewReconciliation(l.p, p, head, billing.AnswerGrace{}), head.LastRun
		return nil
	}, func(c *models.AccountHistory) error { r.Account(c); return nil })
	if err != nil {
		l.Fatal(err)
	}
	return l.ClosePeriod(l.Context(), models.Signature{Period: p, Who: who, Override: override, LastRun: last, Totals: r.ToSign()}, l.freezes(r))
}

// freezes is what makes the report of a signature.
func (l *life) freezes(r *billing.Reconciliation) models.FreezeFunc {
	l.Helper()
	r.Close()
	found := r.Report(l.now)
	return func(s *models.Signature, w *models.Waiting) ([]byte, error) {
		ledger, err := l.Ledger(l.Context(), s.Period)
		if err != nil {
			return nil, err
		}
		return monthreport.Of(monthreport.Basis{Signature: s, Found: &found, Ledger: &ledger, Waiting: w, Program: "test", Terms: l.p.Digest()}).Canonical()
	}
}

// noReport is a report that says nothing, where only the signature matters.
func noReport(*models.Signature, *models.Waiting) ([]byte, error) { return []byte("{}"), nil }

func (l *life) mustClose(p models.Period) {
	l.Helper()
	if s, err := l.closes(p, "Anna", ""); err != nil || s.Who != "Anna" || len(s.Objections) != 0 {
		l.Fatalf("closing %s: %+v, %v", p, s, err)
	}
}

func isNotClosed(err error, reason string) bool {
	var no *models.NotClosed
	return errors.As(err, &no) && strings.Contains(err.Error(), reason)
}

// Everything that stands against closing a period is named in one answer; an
// override is recorded with it, and what a run forbids nobody overrides.
func TestClosingNamesEveryReason(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(invoice(885, 202602, 1, 1000), invoice(885, 202603, 1, 1000))
	l.settle(models.RunRequest{Period: 202604})
	l.facts(april(885, 2, 100))
	l.exec("INSERT INTO runs (period, posting_period, kind, state, started_at) VALUES (202604, 202604, 'differences', 'braked', now())")
	q := models.Signature{Period: 202604, Who: "Anna", Objections: []string{"it does not tie: 1 break"}, LastRun: l.number("SELECT max(run_id) FROM runs")}
	want := []string{
		"it does not tie: 1 break", "accounts to be settled again: 1 (`referral run 2026-04`)",
		"the brake holds a run that would post to it", "earlier periods are open: 2026-02, 2026-03",
	}
	_, err := l.ClosePeriod(t.Context(), q, noReport)
	var no *models.NotClosed
	if !errors.As(err, &no) || !slices.Equal(no.Objections, want) || len(no.Obstacles) != 0 {
		t.Errorf("%v, want %q", err, want)
	}
	if n := l.number("SELECT count(*) FROM signatures") + l.number("SELECT count(*) FROM operator_actions"); n != 0 {
		t.Errorf("%d rows of what was refused", n)
	}
	q.Override = "the auditors wait"
	signed, err := l.ClosePeriod(t.Context(), q, noReport)
	if err != nil || signed.Override != "the auditors wait" || !slices.Equal(signed.Objections, want) {
		t.Errorf("overridden: %+v, %v", signed, err)
	}
	acts, err := l.Actions(t.Context(), "2026-04")
	if err != nil || len(acts) != 1 || acts[0].What != models.ActionCloseOverride || acts[0].Who != "Anna" ||
		!strings.HasPrefix(acts[0].Reason, "the auditors wait (against: it does not tie") {
		t.Errorf("recorded: %+v, %v", acts, err)
	}
}

// Totals that were taken before a run posted are not signed.
func TestTotalsOfBeforeARunAreNotSigned(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	before := l.number("SELECT max(run_id) FROM runs")
	l.facts(april(885, 2, 0))
	l.settle(models.RunRequest{Period: 202604})
	if _, err := l.ClosePeriod(t.Context(), models.Signature{Period: 202604, Who: "Anna", LastRun: before, Override: "x"}, noReport); !errors.Is(err, models.ErrPostedMeanwhile) {
		t.Errorf("%v", err)
	}
	l.mustClose(202604)
}

// A signature is taken back while no later period is closed; both stay in history.
func TestReopening(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(invoice(885, 202605, 1, 1000))
	by := models.OperatorAction{Who: "Boris", What: models.ActionReopen, Subject: "2026-04", Reason: "a late invoice"}
	refused := func(why string) {
		t.Helper()
		var no *models.NotReopened
		if err := l.ReopenPeriod(t.Context(), 202604, by); !errors.As(err, &no) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
	refused("it is not closed")
	l.calm()
	l.mustClose(202604)
	l.mustClose(202605)
	refused("later periods are closed: 2026-05")
	l.facts(april(885, 2, 10))
	if run := l.settle(models.RunRequest{Period: 202604}); run.PostingPeriod != 202606 {
		t.Errorf("posted to %s with May closed", run.PostingPeriod)
	}
	if _, err := l.closes(202606, "Anna", "x"); !isNotClosed(err, "it has not been run") {
		t.Errorf("a month that only carries corrections: %v", err)
	}
	if err := l.ReopenPeriod(t.Context(), 202605, models.OperatorAction{Who: "Boris", What: models.ActionReopen, Subject: "2026-05", Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	l.facts(april(885, 3, 0))
	run := l.start(models.RunRequest{Period: 202604})
	refused("a run of it is under way")
	if run = l.finish(run, l.pay); run.PostingPeriod != 202605 {
		t.Errorf("posted to %s while it was closed", run.PostingPeriod)
	}
	if err := l.ReopenPeriod(t.Context(), 202604, by); err != nil {
		t.Fatal(err)
	}
	l.facts(april(885, 4, 100))
	if run := l.settle(models.RunRequest{Period: 202604}); run.PostingPeriod != 202604 {
		t.Errorf("posted to %s after it was reopened", run.PostingPeriod)
	}
	l.mustClose(202604)
	acts, err := l.Actions(t.Context(), "2026-04")
	var what []string
	for _, a := range acts {
		what = append(what, string(a.What)+" by "+a.Who)
	}
	if want := []string{"close by Anna", "reopen by Boris", "close by Anna"}; err != nil || !slices.Equal(what, want) {
		t.Errorf("recorded %q, %v, want %q", what, err, want)
	}
	var head models.AuditHead
	err = l.Audit(t.Context(), 202604, func(h models.AuditHead) error { head = h; return nil }, func(*models.AccountHistory) error { return nil })
	if err != nil || len(head.Signatures) != 2 || head.Signatures[0].LastRun >= head.Signatures[1].LastRun || len(head.Acts) != 3 {
		t.Fatalf("%+v, %v", head, err)
	}
	for i, s := range head.Signatures {
		var posted models.Money
		for _, total := range s.Totals {
			posted = posted.Add(total.Posted.Amount)
		}
		if want := l.number("SELECT sum(amount_minor)::bigint FROM adjustments WHERE period = 202604 AND run_id <= $1", s.LastRun); int64(posted) != want {
			t.Errorf("signature %d says %d was posted, want %d: %+v", i+1, posted, want, s.Totals)
		}
	}
	l.tie(202604)
}

// Who lets a run pass the brake is recorded, once.
func TestAcceptingIsRecorded(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.start(models.RunRequest{Period: 202604})
	for range 2 {
		l.start(models.RunRequest{Period: 202604, Accept: true, By: "Anna", Reason: "looked at it"})
	}
	l.finish(run, l.pay)
	l.settle(models.RunRequest{Period: 202604, Full: true, Accept: true, By: "Boris"})
	acts, err := l.Actions(t.Context(), "2026-04")
	if err != nil || len(acts) != 2 || acts[0].Who != "Anna" || acts[0].Reason != "looked at it" || acts[1].Who != "Boris" || acts[1].What != models.ActionAcceptRun {
		t.Errorf("recorded: %+v, %v", acts, err)
	}
}
