// Package signoff signs billing periods off: it takes the totals, finds what stands
// against signing, and makes the report that is frozen with the signature. The command
// and the staff pages use it.
package signoff

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/models"
)

// Store is the methods of the storage that signing uses.
type Store interface {
	Periods(ctx context.Context) ([]models.PeriodInfo, error)
	Audit(ctx context.Context, period models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error
	Ledger(ctx context.Context, p models.Period) (models.Ledger, error)
	AuditSize(ctx context.Context, p models.Period) (accounts int64, err error)
	ClosePeriod(ctx context.Context, s models.Signature, freeze models.FreezeFunc) (models.Signature, error)
}

// Signer signs periods off. All fields but Progress are required.
type Signer struct {
	Store        Store
	Programme    *billing.Programme
	Grace        time.Duration // that billing has to answer a document
	Now          func() time.Time
	Program      string                      // which program this is, as reports name it
	RequireTerms func(context.Context) error // an error when other terms are in force

	// Progress wraps what sees each account. Its function stop is called at the end. Nil
	// shows nothing.
	Progress func(ctx context.Context, period models.Period, see func(*models.AccountHistory)) (each func(*models.AccountHistory) error, stop func())
}

// attempts limits how often the totals are taken again because a run posted in the
// meantime.
const attempts = 3

// Close signs a period. The error is a *models.NotClosed with every reason when it is
// not closed, and models.ErrPostedMeanwhile when runs kept posting to it.
func (g *Signer) Close(ctx context.Context, s models.Signature) (signed models.Signature, err error) {
	for range attempts {
		if signed, err = g.close(ctx, s); !errors.Is(err, models.ErrPostedMeanwhile) {
			break
		}
	}
	return signed, err
}

// CarryOut signs the period of an order, and ends the order with it. progress is told how
// many accounts of how many are reconciled. The error is that of Close, with what it says
// of the period kept in the order, or models.ErrOrderLost.
func (g *Signer) CarryOut(ctx context.Context, o *models.RunOrder, progress func(through, all int)) error {
	size, err := g.Store.AuditSize(ctx, o.Period)
	if err != nil {
		return err
	}
	o.All = int(size)
	counting := *g
	counting.Progress = func(_ context.Context, _ models.Period, see func(*models.AccountHistory)) (func(*models.AccountHistory) error, func()) {
		through := 0
		return func(c *models.AccountHistory) error {
			see(c)
			through++
			progress(min(through, o.All), o.All)
			return nil
		}, func() {}
	}
	s := o.Signing
	_, err = counting.Close(ctx, models.Signature{
		Period: o.Period, Who: o.By.Name, Role: s.Role, Reason: s.Reason, ProposedBy: s.ProposedBy, ProposedAt: s.ProposedAt,
		Override: s.Override, Against: append([]string{}, s.Against...), Objections: s.Objections, Order: o,
	})
	var no *models.NotClosed
	switch {
	case errors.As(err, &no) && no.Already == nil:
		s.Refused = slices.Concat(no.Obstacles, no.Objections)
	case errors.Is(err, models.ErrPostedMeanwhile):
		s.Refused = []string{models.ErrPostedMeanwhile.Error()}
	}
	return err
}

// close signs a period with its totals. The store refuses one that has not been run or is
// closed already, so that its totals are not needed.
func (g *Signer) close(ctx context.Context, s models.Signature) (models.Signature, error) {
	periods, err := g.Store.Periods(ctx)
	if err != nil {
		return s, err
	}
	if !g.Programme.PeriodOver(s.Period, g.Now()) {
		s.Objections = append(s.Objections, fmt.Sprintf("it is not over before %s", s.Period.End()))
	}
	basis := monthreport.Basis{Program: g.Program, Terms: g.Programme.Digest()}
	if slices.ContainsFunc(periods, func(p models.PeriodInfo) bool { return p.Period == s.Period && p.State == models.PeriodRun }) {
		if err := g.takeTotals(ctx, &s, &basis); err != nil {
			return s, err
		}
	}
	return g.Store.ClosePeriod(ctx, s, func(s *models.Signature, waiting *models.Waiting) ([]byte, error) {
		basis.Signature, basis.Waiting = s, waiting
		return monthreport.Of(basis).Canonical()
	})
}

func (g *Signer) takeTotals(ctx context.Context, s *models.Signature, basis *monthreport.Basis) error {
	if err := g.RequireTerms(ctx); err != nil {
		return err
	}
	at := g.Now()
	r, head, err := g.Reconcile(ctx, s.Period)
	if err != nil {
		return err
	}
	if !r.Ties() {
		breaks := "breaks"
		if r.BreakCount == 1 {
			breaks = "break"
		}
		s.Objections = append(s.Objections, fmt.Sprintf("it does not tie: %s %s, see `referral reconcile %s`", models.Grouped(r.BreakCount), breaks, s.Period))
	}
	s.LastRun, s.Totals, s.Foreign = head.LastRun, r.ToSign(), r.Foreign
	found := r.Report(at)
	ledger, err := g.Store.Ledger(ctx, s.Period)
	if o := s.Order; o != nil && o.Signing.Register != nil && *o.Signing.Register != ledger.Register.Documents {
		s.Objections = append(s.Objections, "the register has changed since the signature was proposed")
	}
	basis.Found, basis.Ledger, basis.Packages = &found, &ledger, head.Waiting
	return err
}

// Reconcile reconciles a period. Unlike the nightly reconciliation it counts what is not
// answered yet as a break, however young it is.
func (g *Signer) Reconcile(ctx context.Context, period models.Period) (r *billing.Reconciliation, head models.AuditHead, err error) {
	each := func(c *models.AccountHistory) error { r.Account(c); return nil }
	if g.Progress != nil {
		wrapped, stop := g.Progress(ctx, period, func(c *models.AccountHistory) { r.Account(c) })
		defer stop()
		each = wrapped
	}
	grace := billing.AnswerGrace{Now: g.Now(), Grace: g.Grace, Strict: true}
	err = g.Store.Audit(ctx, period, func(h models.AuditHead) error {
		head, r = h, billing.NewReconciliation(g.Programme, period, h, grace)
		return nil
	}, each)
	if err == nil {
		r.Close()
	}
	return r, head, err
}
