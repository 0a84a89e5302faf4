package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"referral/billing"
	"referral/billing/rehearsal"
	"referral/billing/whatif"
	"referral/internal/sleep"
	"referral/models"
)

// Orders is what persons have ordered on the staff pages, and where what comes of it is
// kept.
type Orders interface {
	ClaimRunOrder(context.Context) (o models.RunOrder, found bool, err error)
	NoteRunOrder(context.Context, models.RunOrder) (held bool, err error)
	ReleaseRunOrder(context.Context, models.RunOrder) error
	EndRunOrder(context.Context, models.RunOrder) error

	// ForEachAccount hands every account with its invoices of a month to see.
	ForEachAccount(ctx context.Context, month models.Period, see func(*models.AccountHistory) error) error

	Rehearse(ctx context.Context, q models.RunRequest, settle models.SettleFunc, see func(*models.SettlementResult) error, progress func(through, all int) error) (run models.Run, before models.Totals, err error)
	KeepRehearsed(context.Context, models.RunOrder, []models.RehearsedAmount) error
	ForgetRehearsed(ctx context.Context, o models.RunOrder, month models.Period) error
	RehearsedChanges(ctx context.Context, o models.RunOrder, limit int) (changed []models.AccountChange, full []int64, more int64, err error)

	UncomparedRehearsal(context.Context) (o models.RunOrder, run models.Run, found bool, err error)
	UncomparedCorrections(context.Context) (o models.RunOrder, run models.Run, found bool, err error)
	RunDifferences(ctx context.Context, o models.RunOrder, month models.Period, run int64, limit int) (named []models.AccountOutcomes, all int64, err error)
	AccountHistory(ctx context.Context, account int64) (c models.AccountHistory, found bool, err error)
	KeepComparison(ctx context.Context, order int64, c *models.RunComparison) error
}

const (
	// orderSign is how often a process says that it still works on an order. After a
	// minute without a sign another one takes the order up.
	orderSign = 3 * time.Second
	// orderAttempts is how often an order is taken up whose process ends before it has.
	orderAttempts = 10
	// keepBatch is how many rehearsed accounts are kept at a time.
	keepBatch = 5000
	// differencesNamed is how many accounts a comparison explains; all are counted.
	differencesNamed = 1000
)

// followOrders carries out the orders of persons, one at a time, until ctx is done.
func (s *Scheduler) followOrders(ctx context.Context) {
	wait := time.Duration(0)
	for sleep.For(ctx, wait) {
		wait = s.OrderPoll
		if !s.attempt(ordering, "orders of persons", func() error { return s.CarryOutOrders(ctx) }) {
			wait = max(wait, s.Poll)
		}
	}
}

// CarryOutOrders carries out the orders that wait, and compares rehearsals with the runs
// that have followed.
func (s *Scheduler) CarryOutOrders(ctx context.Context) error {
	return errors.Join(s.workOrders(ctx), s.compareRehearsals(ctx))
}

func (s *Scheduler) workOrders(ctx context.Context) error {
	for ctx.Err() == nil {
		o, found, err := s.Orders.ClaimRunOrder(ctx)
		if err != nil || !found {
			return err
		}
		if err := s.carryOut(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// carryOut carries an order out and keeps what it has come to. What is ordered may fail,
// which the person who ordered it is told; the error is that of keeping this.
func (s *Scheduler) carryOut(ctx context.Context, o models.RunOrder) error {
	log := s.Settler.Log.With("order", o.ID, "what", o.What, "period", o.Period)
	log.InfoContext(ctx, "carrying out an order", "attempt", o.Attempt)
	failed := fmt.Errorf("given up: %d processes have ended while they worked on it", o.Attempt-1)
	if o.Attempt <= orderAttempts {
		failed = s.whileHeld(ctx, o, func(ctx context.Context, progress func(through, all int)) error {
			return s.Settler.guard.Do(func() (err error) {
				switch o.What {
				case models.OrderRehearsal:
					o.Rehearsal, err = s.rehearse(ctx, o, progress)
				case models.OrderSign:
					err = s.Sign(ctx, &o, progress)
				case models.OrderWhatIf:
					o.WhatIf, err = s.whatIf(ctx, o, progress)
				case models.OrderRun, models.OrderAcceptedRun:
					_, err = s.Settler.Run(ctx, models.RunRequest{Period: o.Period, Full: o.Full, Accept: o.What == models.OrderAcceptedRun, Amount: o.Accepted})
				default:
					err = fmt.Errorf("this version of the service does not know an order for %q: update it, and order again", o.What)
				}
				return err
			})
		})
	}
	switch {
	case errors.Is(failed, models.ErrOrderLost):
		return nil // another process works on it
	case failed != nil && ctx.Err() != nil:
		return s.Orders.ReleaseRunOrder(context.WithoutCancel(ctx), o)
	case failed != nil:
		o.Error = models.NameRejection(failed).Error()
		log.ErrorContext(ctx, "an order has failed", "error", failed)
	}
	return s.Orders.EndRunOrder(ctx, o)
}

// whileHeld works on an order, and says so at intervals. The work's context ends when
// another process has taken the order up.
func (s *Scheduler) whileHeld(ctx context.Context, o models.RunOrder, work func(ctx context.Context, progress func(through, all int)) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var through, all atomic.Int64
	signing := make(chan struct{})
	go func() {
		defer close(signing)
		for sleep.For(ctx, orderSign) {
			o.Through, o.All = int(through.Load()), int(all.Load())
			if held, err := s.Orders.NoteRunOrder(ctx, o); err == nil && !held {
				end(models.ErrOrderLost)
			}
		}
	}()
	err := work(ctx, func(t, a int) { through.Store(int64(t)); all.Store(int64(a)) })
	if err != nil && errors.Is(context.Cause(ctx), models.ErrOrderLost) {
		err = models.ErrOrderLost
	}
	end(nil)
	<-signing
	return err
}

// whatIf compares months with what they would have cost under the other terms of an order.
func (s *Scheduler) whatIf(ctx context.Context, o models.RunOrder, progress func(through, all int)) ([]byte, error) {
	var terms billing.Terms
	if err := json.Unmarshal([]byte(o.Terms), &terms); err != nil {
		return nil, fmt.Errorf("reading the terms of order %d: %w", o.ID, err)
	}
	other, err := whatif.Programme(s.Settler.Programme, terms)
	if err != nil {
		return nil, err
	}
	c := whatif.New(s.Settler.Programme, other)
	months := o.Months()
	for i, month := range months {
		progress(i, len(months))
		c.Begin(month)
		err := s.Orders.ForEachAccount(ctx, month, func(h *models.AccountHistory) error {
			c.Account(h)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(c.Found())
}

// rehearse rehearses a period and the closed ones whose differences are posted to it, and
// keeps what each account would get.
func (s *Scheduler) rehearse(ctx context.Context, o models.RunOrder, progress func(through, all int)) (*models.Rehearsal, error) {
	if first := o.Period.First(); first > s.Settler.Programme.Local(s.Settler.Now()) {
		return nil, fmt.Errorf("%w: %s begins on %s", ErrNotOver, o.Period, first)
	}
	var summary rehearsal.Summary
	run, before, err := s.rehearsePeriod(ctx, o, models.RunRequest{Period: o.Period, Full: o.Full, Chunk: s.Settler.Chunk}, &summary, progress)
	if err != nil {
		return nil, err
	}
	own := s.rehearsed(run, before)
	carried, err := s.rehearseCarried(ctx, o, &summary)
	if err != nil {
		return nil, err
	}
	found := summary.Found()
	found.AsOf, found.Terms, found.Run, found.Before, found.Carried = run.StartedAt, s.Settler.Programme.Digest(), own, before, carried
	if run.Kind == models.RunRegular {
		found.Changed, found.NewFull, found.FullMore, err = s.Orders.RehearsedChanges(ctx, o, rehearsal.MaxAccounts)
	}
	return &found, err
}

// rehearseCarried rehearses the closed periods whose differences a run carries. A run that
// the brake holds carries them once it is let pass.
func (s *Scheduler) rehearseCarried(ctx context.Context, o models.RunOrder, summary *rehearsal.Summary) (carried []models.RehearsedRun, err error) {
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return nil, err
	}
	for _, closed := range billing.PeriodsPostedTo(periods, o.Period) {
		run, before, err := s.rehearsePeriod(ctx, o, models.RunRequest{Period: closed, Chunk: s.Settler.Chunk}, summary, func(_, _ int) {})
		if err != nil {
			return nil, err
		}
		carried = append(carried, s.rehearsed(run, before))
	}
	return carried, nil
}

// rehearsePeriod rehearses the period of an order, or a closed one, and keeps what each
// account would get.
func (s *Scheduler) rehearsePeriod(
	ctx context.Context, o models.RunOrder, q models.RunRequest, summary *rehearsal.Summary, progress func(through, all int),
) (run models.Run, before models.Totals, err error) {
	month, see, begin := models.Period(0), summary.See, summary.Reset
	if q.Period != o.Period {
		month, begin = q.Period, summary.ForgetAmounts
		see = func(out *models.SettlementResult) { summary.SeeCorrection(month, out) }
	}
	keep := func() error { return s.Orders.KeepRehearsed(ctx, o, summary.Amounts()) }
	run, before, err = s.Orders.Rehearse(ctx, q, summary.Settle(s.Settler.Programme.Settle), func(out *models.SettlementResult) error {
		see(out)
		if summary.Waiting() < keepBatch {
			return nil
		}
		return keep()
	}, func(through, all int) error {
		progress(through, all)
		if through > 0 {
			return nil
		}
		begin()
		return s.Orders.ForgetRehearsed(ctx, o, month)
	})
	if err == nil {
		err = keep()
	}
	return run, before, err
}

func (s *Scheduler) rehearsed(run models.Run, before models.Totals) models.RehearsedRun {
	return models.RehearsedRun{
		Period: run.Period, PostingPeriod: run.PostingPeriod, Kind: run.Kind, Totals: run.Totals,
		Brake: s.Settler.Programme.Brake(run, before),
	}
}

// compareRehearsals compares rehearsals with the runs that have followed and ended: those of
// their own months, and those of the signed months that were corrected along with them.
func (s *Scheduler) compareRehearsals(ctx context.Context) error {
	for _, uncompared := range []func(context.Context) (models.RunOrder, models.Run, bool, error){s.Orders.UncomparedRehearsal, s.Orders.UncomparedCorrections} {
		for {
			o, run, found, err := uncompared(ctx)
			if err != nil {
				return err
			}
			if !found {
				break
			}
			if err := s.compareRehearsal(ctx, o, run); err != nil {
				return fmt.Errorf("comparing rehearsal %d with run %d: %w", o.ID, run.ID, err)
			}
		}
	}
	return nil
}

func (s *Scheduler) compareRehearsal(ctx context.Context, o models.RunOrder, run models.Run) error {
	var corrected models.Period
	kind := o.Rehearsal.Run.Kind
	if run.Period != o.Period {
		corrected, kind = run.Period, models.RunDifferences
	}
	c := models.RunComparison{
		Run: run.ID, Period: corrected, StartedAt: run.StartedAt, Kind: run.Kind, Posted: run.Totals, OtherTerms: o.Rehearsal.Terms != s.Settler.Programme.Digest(),
	}
	explainer := rehearsal.Explainer{
		Period: run.Period, Run: run.ID, Kind: kind, AsOf: o.Rehearsal.AsOf, OtherTerms: c.OtherTerms, Local: s.Settler.Programme.Local,
	}
	var err error
	if c.Named, c.Accounts, err = s.Orders.RunDifferences(ctx, o, corrected, run.ID, differencesNamed); err != nil {
		return err
	}
	for i := range c.Named {
		history, _, err := s.Orders.AccountHistory(ctx, c.Named[i].AccountID)
		if err != nil {
			return err
		}
		err = s.Settler.guard.Do(func() error { c.Named[i].Facts = explainer.Explain(&c.Named[i], &history); return nil })
		if err != nil {
			s.Settler.Log.ErrorContext(ctx, "a difference cannot be explained", "account", c.Named[i].AccountID, "error", err)
		}
		if len(c.Named[i].Facts) == 0 {
			c.Unexplained++
		}
	}
	log := s.Settler.Log.With("order", o.ID, "period", run.Period, "run", run.ID, "accounts", c.Accounts)
	if c.Unexplained > 0 {
		log.ErrorContext(ctx, "the run differs from its rehearsal, and no fact explains it; see the rehearsal's page", "unexplained", c.Unexplained)
	} else {
		log.InfoContext(ctx, "compared a run with its rehearsal")
	}
	return s.Orders.KeepComparison(ctx, o.ID, &c)
}
