package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/models"
	"referral/signoff"
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
	return l.ClosePeriod(l.Context(), models.Signature{Period: p, Who: who, Override: override, LastRun: last, Totals: r.ToSign()}, l.freezes(p, r))
}

// freezes is what makes the report of a signature. It is called under the lock that the
// ledger of a cluster is read behind, so that it has that before.
func (l *life) freezes(p models.Period, r *billing.Reconciliation) models.FreezeFunc {
	l.Helper()
	r.Close()
	found := r.Report(l.now)
	ledger, err := l.Ledger(l.Context(), p)
	if err != nil {
		l.Fatal(err)
	}
	return func(s *models.Signature, w *models.Waiting) ([]byte, error) {
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

// The approval orders the signature. A process that was taken for dead, and the one that
// has taken the order up after it, sign the month once; what stands against it ends the
// order, and nothing that nobody has meant is overridden.
func TestSignatureIsOrderedWithItsApproval(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	boris := models.Person{Subject: "f:8", Name: "Борис Лебедев"}
	order := func(signing models.Signing) models.RunOrder {
		t.Helper()
		p, err := l.Propose(t.Context(), models.Proposal{What: models.ActionClose, Subject: "2026-04", Reason: "it ties", Proposer: anna}, models.RoleFinance)
		if err != nil {
			t.Fatal(err)
		}
		signing.Role, signing.Reason, signing.ProposedBy, signing.ProposedAt = models.RoleController, p.Reason, anna.Name, p.ProposedAt
		_, made, err := l.OrderRun(t.Context(), models.RunOrder{Period: 202604, What: models.OrderSign, By: boris, Signing: &signing}, models.OperatorAction{
			Who: boris.Name, Role: models.RoleController, What: models.ActionClose, Subject: "2026-04", Reason: p.Reason, Approval: &models.Approval{Proposal: p.ID, By: boris},
		})
		if err != nil || !made {
			t.Fatalf("made: %t, %v", made, err)
		}
		if p, _, err = l.Proposal(t.Context(), p.ID); err != nil || p.State != models.ProposalApproved || p.Decider != boris {
			t.Errorf("%+v, %v", p, err)
		}
		return l.claim()
	}
	sign := func(o *models.RunOrder) error {
		g := signoff.Signer{Store: l.Store, Programme: l.p, Now: func() time.Time { return l.now }, RequireTerms: func(context.Context) error { return nil }}
		return g.CarryOut(t.Context(), o, func(int, int) {})
	}
	closed := func() int64 {
		return l.number("SELECT count(*) FROM signatures") + 100*l.number("SELECT count(*) FROM operator_actions WHERE what = 'close'") + 10000*l.number("SELECT count(*) FROM signed_reports")
	}

	l.facts(april(885, 2, 100))
	refused := order(models.Signing{Override: "the auditors wait", Against: []string{"it does not tie:"}})
	if err := sign(&refused); !isNotClosed(err, "accounts to be settled again: 1") || len(refused.Signing.Refused) == 0 || closed() != 0 {
		t.Fatalf("overridden is what nobody has meant: %v, %+v", err, refused.Signing)
	}
	refused.Error = "x"
	if err := l.EndRunOrder(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	if last, found, err := l.LastSigning(t.Context(), 202604); err != nil || !found || last.State != models.OrderFailed || !slices.Equal(last.Signing.Refused, refused.Signing.Refused) {
		t.Errorf("%+v, %v", last.Signing, err)
	}
	l.settle(models.RunRequest{Period: 202604})
	l.calm()
	again := func() bool {
		t.Helper()
		made, err := l.SignAgain(t.Context(), 202604, models.OperatorAction{Who: anna.Name, Role: models.RoleFinance, What: models.ActionSignAgain, Subject: "2026-04", Reason: "it is settled"})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	approved := l.now
	l.now = approved.Add(models.SigningApproval + time.Second)
	if again() {
		t.Error("an approval of yesterday is used")
	}
	for _, later := range []time.Duration{time.Hour, models.SigningApproval} {
		if l.now = approved.Add(later); !again() || again() {
			t.Fatalf("after %s the order is not made once", later)
		}
		repeated := l.claim()
		if s := repeated.Signing; repeated.By != boris || s.ProposedBy != anna.Name || s.Override == "" || len(s.Refused) > 0 || !s.ApprovedAt.Equal(approved) {
			t.Errorf("repeated is %+v by %v", s, repeated.By)
		}
		repeated.Error = "the disk is full"
		if err := l.EndRunOrder(t.Context(), repeated); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.number("SELECT count(*) FROM operator_actions WHERE what = 'sign-again'"); n != 2 {
		t.Errorf("%d repetitions are recorded", n)
	}

	dead := order(models.Signing{Override: "billing has not answered yet", Against: []string{"it does not tie:"}})
	l.exec("UPDATE run_orders SET seen_at = now() - interval '61 seconds' WHERE order_id = $1", dead.ID)
	next := l.claim()
	if err := sign(&dead); !errors.Is(err, models.ErrOrderLost) || closed() != 0 {
		t.Errorf("a process that was taken for dead signs: %v", err)
	}
	if err := sign(&next); err != nil {
		t.Fatal(err)
	}
	for _, o := range []models.RunOrder{dead, next} {
		if err := sign(&o); !errors.Is(err, models.ErrOrderLost) {
			t.Errorf("signed again: %v", err)
		}
		o.Error = "too late"
		if err := l.EndRunOrder(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	last, _, err := l.LastSigning(t.Context(), 202604)
	if err != nil || last.State != models.OrderDone || last.Error != "" || last.Through != last.All || last.All == 0 || closed() != 10101 {
		t.Errorf("%+v, %v: %d", last, err, closed())
	}
	acts, err := l.Actions(t.Context(), "2026-04")
	const repeated = 2
	if err != nil || len(acts) != repeated+1 || acts[repeated].Who != boris.Name || acts[repeated].Role != models.RoleController || !strings.HasPrefix(acts[repeated].Reason, "billing has not answered yet (against: it does not tie: ") {
		t.Errorf("recorded: %+v, %v", acts, err)
	}
	if n := l.number("SELECT count(*) FROM signatures WHERE who = $1 AND proposed_by = $2", boris.Name, anna.Name); n != 1 {
		t.Errorf("%d signatures of two persons", n)
	}
	if orders, err := l.RunOrders(t.Context(), 202604, 10); err != nil || len(orders) != 0 {
		t.Errorf("among the runs: %+v, %v", orders, err)
	}
}
