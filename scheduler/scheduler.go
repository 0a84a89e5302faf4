package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"referral/billing"
	"referral/internal/health"
	"referral/internal/sleep"
	"referral/models"
)

// Options say when the scheduler works.
type Options struct {
	Settler   *Settler
	Auditor   Auditor
	Insight   Insight
	Orders    Orders
	Retention Retention
	// Sign signs the month of an order, ends the order with it, and says how many accounts
	// of how many are reconciled.
	Sign    func(ctx context.Context, o *models.RunOrder, progress func(through, all int)) error
	RunAt   cron.Schedule // of the month's own run
	CatchUp cron.Schedule // of the differences
	Poll    time.Duration // how often to look for a run that has work left

	// OrderPoll is how often to look for an order of a person, who waits for it. 0 means 2
	// seconds.
	OrderPoll time.Duration

	// AnswerGrace is how long after its posting a document may be unanswered before
	// the nightly reconciliation reports a break; 0 for not at all.
	AnswerGrace time.Duration

	// AwaitFacts returns when everything that the topics held at the call has been
	// consumed. Scheduled work waits for it, so that no month is settled while facts of
	// it are unread; nil waits for nothing.
	AwaitFacts func(context.Context) error
	// AwaitTimeout is how long scheduled work waits for AwaitFacts at most. What comes
	// later is a late fact. 0 means 30 minutes.
	AwaitTimeout time.Duration
	// Quiet is how long a start-up waits before it catches up, because systems that were
	// down together come up together. 0 means 10 seconds.
	Quiet time.Duration
	// LookEvery is how often the wall clock is read at least, and so how long a jump
	// of it stays unnoticed. 0 means 30 seconds.
	LookEvery time.Duration
}

// Scheduler runs the months when they are due.
type Scheduler struct {
	Options

	health *health.Tracker
}

// Subjects of the state of health. What the monthly run leaves undone the nightly
// catch-up does, so they are one: the success of either ends the failure of both.
const (
	settling    = "settling"
	reconciling = "reconciling"
	resuming    = "resuming runs"
	ordering    = "carrying out orders"
	verifying   = "verifying the journal"
	forecasting = "forecasting"
)

// New checks the options.
func New(o Options) (*Scheduler, error) {
	if o.Settler == nil || o.Auditor == nil || o.Insight == nil || o.Orders == nil || o.Sign == nil || o.RunAt == nil || o.CatchUp == nil || o.Poll <= 0 ||
		o.Retention.Cleaner == nil || o.Retention.Schedule == nil {
		return nil, errors.New("scheduler: an option is missing")
	}
	o.OrderPoll = cmp.Or(o.OrderPoll, 2*time.Second)
	o.LookEvery = cmp.Or(o.LookEvery, 30*time.Second)
	o.AwaitTimeout, o.Quiet = cmp.Or(o.AwaitTimeout, 30*time.Minute), cmp.Or(o.Quiet, 10*time.Second)
	o.Retention.register(o.Settler.Metrics.registerer)
	return &Scheduler{Options: o, health: health.New(health.Options{})}, nil
}

// Ready is nil unless some kind of work failed the last time.
func (s *Scheduler) Ready() error { return s.health.Err() }

// Run works until ctx is done: it resumes runs that a killed process left, catches up
// the months missed while it was down, and follows the clock.
func (s *Scheduler) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.retry(ctx, settling, "start-up catch-up", func() error { return s.startUp(ctx) }) })
	clock := wallClock{every: s.LookEvery, now: s.Settler.Now, log: s.Settler.Log, metrics: s.Settler.Metrics, jobs: []*job{
		{name: "monthly run", schedule: s.RunAt, work: func(due time.Time) { s.monthly(ctx, slotOf(due)) }},
		{name: "nightly catch-up", schedule: s.CatchUp, work: func(due time.Time) { s.nightly(ctx, slotOf(due)) }},
		{name: "retention", schedule: s.Retention.Schedule, work: func(due time.Time) { s.deleteExpired(ctx, slotOf(due)) }},
	}}
	work.Go(func() {
		for s.Settler.guard.Do(func() error { clock.run(ctx); return nil }) != nil && sleep.For(ctx, s.LookEvery) {
		}
	})
	work.Go(func() { s.followOrders(ctx) })
	s.follow(ctx)
	return nil
}

func (s *Scheduler) monthly(ctx context.Context, slot string) {
	s.retry(ctx, settling, "monthly run", func() error {
		s.awaitFacts(ctx)
		return s.runMissed(ctx, slot)
	})
}

func (s *Scheduler) nightly(ctx context.Context, slot string) {
	s.retry(ctx, settling, "nightly catch-up", func() error {
		s.awaitFacts(ctx)
		return errors.Join(s.runMissed(ctx, slot), s.runStale(ctx, slot), s.warnOfPendingPackages(ctx))
	})
	s.once(reconciling, "nightly reconciliation", func() error { return s.reconcile(ctx, slot) })
	s.once(verifying, "nightly check of the journal", func() error { return s.checkJournal(ctx, slot) })
	s.once(forecasting, "nightly forecast and search for suspicions", func() error { return s.lookAhead(ctx, slot) })
}

// startUp catches up the months missed, once what waits on the topics is read.
func (s *Scheduler) startUp(ctx context.Context) error {
	s.awaitFacts(ctx)
	if !sleep.For(ctx, s.Quiet) {
		return ctx.Err()
	}
	s.awaitFacts(ctx)
	return errors.Join(s.runMissed(ctx, ""), s.warnOfPendingPackages(ctx))
}

func (s *Scheduler) awaitFacts(ctx context.Context) {
	if s.AwaitFacts == nil {
		return
	}
	waiting, cancel := context.WithTimeout(ctx, s.AwaitTimeout)
	defer cancel()
	if err := s.AwaitFacts(waiting); err != nil && ctx.Err() == nil {
		s.Settler.Log.WarnContext(ctx, "settling although not all facts that have arrived are consumed; they will be settled as late facts", "error", err)
	}
}

// slotOf names a time of a schedule. It makes one run of replicas that fire together,
// and of a time that comes twice because the clock was set back.
func slotOf(due time.Time) string { return due.UTC().Format(time.RFC3339) }

// follow works on runs that another process has started, until ctx is done.
func (s *Scheduler) follow(ctx context.Context) {
	for {
		s.attempt(resuming, "resuming runs", func() error { return s.resumeRuns(ctx) })
		if !sleep.For(ctx, s.Poll) {
			return
		}
	}
}

func (s *Scheduler) resumeRuns(ctx context.Context) error {
	runs, err := s.Settler.Calendar.ActiveRuns(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, run := range runs {
		_, err := s.Settler.Work(ctx, run)
		failed = errors.Join(failed, err)
	}
	return failed
}

// runMissed makes the runs that are due, the oldest period first: at the monthly time
// that is the month that ended, after an outage also those before. A run that cannot
// be resumed does not keep the others from being made.
func (s *Scheduler) runMissed(ctx context.Context, slot string) error {
	failed := s.resumeRuns(ctx)
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, s.runPeriods(ctx, slot, s.Settler.Programme.MissedPeriods(periods, s.RunAt, s.Settler.Now())))
}

func (s *Scheduler) runStale(ctx context.Context, slot string) error {
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return err
	}
	return s.runPeriods(ctx, slot, billing.Stale(periods))
}

// warnOfPendingPackages names the past months in which packages were earned and that
// are not run because no invoice has named them.
func (s *Scheduler) warnOfPendingPackages(ctx context.Context) error {
	month := s.Settler.Programme.Local(s.Settler.Now()).Period()
	waiting, err := s.Settler.Calendar.PendingPackages(ctx, month.First())
	for _, p := range slices.Sorted(maps.Keys(waiting)) {
		s.Settler.Log.WarnContext(ctx, "packages wait for the run of a month that no invoice has named: `referral run "+p.String()+"` sends them",
			"period", p, "packages", waiting[p])
	}
	return err
}

// runPeriods runs several periods; when one of them fails, the others are run.
func (s *Scheduler) runPeriods(ctx context.Context, slot string, periods []models.Period) error {
	var failed error
	for _, p := range periods {
		q := models.RunRequest{Period: p, Needed: true, Chunk: s.Settler.Chunk}
		if slot != "" {
			q.Slot = p.String() + "@" + slot
		}
		run, _, err := s.Settler.start(ctx, q)
		if errors.Is(err, ErrNotOver) {
			continue // a person ran the month before its end; what changed since waits for that
		}
		if other := (*models.ErrOtherMode)(nil); errors.As(err, &other) {
			s.Settler.Log.WarnContext(ctx, "a period is not run", "period", p, "error", err)
			continue
		}
		if err == nil && run.ID != 0 {
			_, err = s.Settler.Work(ctx, run)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// retry tries again for about two minutes: a lost connection or a restarted server must
// not put a month off until the next night. The slot makes sure that a run is started
// once, however often it is tried.
func (s *Scheduler) retry(ctx context.Context, subject, what string, work func() error) {
	const longest = time.Minute
	for wait := time.Second; !s.attempt(subject, what, work); wait *= 2 {
		if wait > longest {
			s.Settler.Metrics.failures.Inc()
			return
		}
		if !sleep.For(ctx, wait) {
			return
		}
	}
}

// once does a job that is not tried again before its next time.
func (s *Scheduler) once(subject, what string, work func() error) {
	if !s.attempt(subject, what, work) {
		s.Settler.Metrics.failures.Inc()
	}
}

// attempt is the one place where the scheduler's errors, and its panics, are handled. It
// counts none: what is tried again within seconds is not a job that failed, and the state
// of health shows what goes on failing.
func (s *Scheduler) attempt(subject, what string, work func() error) (done bool) {
	err := s.Settler.guard.Do(work)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, models.NameRejection(err))
		s.Settler.Log.Error("the scheduler will try again", "error", err)
	}
	s.health.Report(subject, err)
	return err == nil
}
