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
	"referral/internal/sleep"
	"referral/models"
)

// Options say when the scheduler works.
type Options struct {
	Settler *Settler
	Auditor Auditor
	RunAt   cron.Schedule // of the month's own run
	CatchUp cron.Schedule // of the differences
	Poll    time.Duration // how often to look for a run that has work left

	// Retention is what else the clock starts.
	Retention Retention

	// AnswerGrace is how long after its posting a document may be unanswered before
	// the nightly reconciliation takes that for a break; 0 for not at all.
	AnswerGrace time.Duration

	// AwaitFacts returns when everything that the topics held at the call has been
	// consumed. What the clock starts waits for it, so that no month is settled
	// while facts of it are known and lie unread; nil waits for nothing.
	AwaitFacts func(context.Context) error
	// Patience is how long that is waited for; then the run is made all the same,
	// and what comes later is a late fact. 0 means 30 minutes.
	Patience time.Duration
	// Quiet is how long a start-up waits before it catches up: what was down
	// together comes up together, and has things to tell. 0 means 10 seconds.
	Quiet time.Duration
	// LookEvery is how often the wall clock is read at least, and so how long a jump
	// of it stays unnoticed. 0 means 30 seconds.
	LookEvery time.Duration
}

// Scheduler runs the months when they are due.
type Scheduler struct {
	Options

	mu      sync.Mutex
	trouble map[kind]error // what the last attempt failed on
}

// kind of work. What the monthly run leaves undone the nightly catch-up does, so
// they are one kind: the success of either ends the other's trouble.
type kind int

const (
	settling kind = iota
	proving
	following
)

// New checks the options.
func New(o Options) (*Scheduler, error) {
	if o.Settler == nil || o.Auditor == nil || o.RunAt == nil || o.CatchUp == nil || o.Poll <= 0 ||
		o.Retention.Cleaner == nil || o.Retention.Schedule == nil {
		return nil, errors.New("scheduler: an option is missing")
	}
	o.LookEvery = cmp.Or(o.LookEvery, 30*time.Second)
	o.Patience, o.Quiet = cmp.Or(o.Patience, 30*time.Minute), cmp.Or(o.Quiet, 10*time.Second)
	o.Retention.register(o.Settler.Metrics.registerer)
	return &Scheduler{Options: o, trouble: map[kind]error{}}, nil
}

// Ready is nil unless some kind of work failed the last time.
func (s *Scheduler) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(slices.Collect(maps.Values(s.trouble))...)
}

// Run works until ctx is done: it takes up what a killed process left behind,
// catches up the months missed while it was down, and follows the clock.
func (s *Scheduler) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.attempts(ctx, settling, "start-up catch-up", func() error { return s.startUp(ctx) }) })
	clock := wallClock{every: s.LookEvery, now: s.Settler.Now, log: s.Settler.Log, metrics: s.Settler.Metrics, jobs: []*job{
		{name: "monthly run", schedule: s.RunAt, work: func(due time.Time) { s.month(ctx, slotOf(due)) }},
		{name: "nightly catch-up", schedule: s.CatchUp, work: func(due time.Time) { s.night(ctx, slotOf(due)) }},
		{name: "retention", schedule: s.Retention.Schedule, work: func(due time.Time) { s.deleteExpired(ctx, slotOf(due)) }},
	}}
	work.Go(func() {
		for s.Settler.guard.Do(func() error { clock.run(ctx); return nil }) != nil && sleep.For(ctx, s.LookEvery) {
		}
	})
	s.follow(ctx)
	return nil
}

func (s *Scheduler) month(ctx context.Context, slot string) {
	s.attempts(ctx, settling, "monthly run", func() error {
		s.awaitFacts(ctx)
		return s.catchUpMissed(ctx, slot)
	})
}

func (s *Scheduler) night(ctx context.Context, slot string) {
	s.attempts(ctx, settling, "nightly catch-up", func() error {
		s.awaitFacts(ctx)
		return s.catchUp(ctx, slot)
	})
	s.attempt(proving, "nightly reconciliation", func() error { return s.prove(ctx, slot) })
}

// startUp catches up the months missed, once what waits on the topics is read.
func (s *Scheduler) startUp(ctx context.Context) error {
	s.awaitFacts(ctx)
	if !sleep.For(ctx, s.Quiet) {
		return ctx.Err()
	}
	s.awaitFacts(ctx)
	return errors.Join(s.catchUpMissed(ctx, ""), s.tellWaiting(ctx))
}

func (s *Scheduler) awaitFacts(ctx context.Context) {
	if s.AwaitFacts == nil {
		return
	}
	patient, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	if err := s.AwaitFacts(patient); err != nil && ctx.Err() == nil {
		s.Settler.Log.Warn("settling although not all facts that have arrived are consumed; they will be settled as late facts", "error", err)
	}
}

// slotOf names a time of a schedule: what makes one run of replicas that fire
// together, and of a time that comes twice because the clock was set back.
func slotOf(due time.Time) string { return due.UTC().Format(time.RFC3339) }

// follow helps with runs that somebody else has started, until ctx is done.
func (s *Scheduler) follow(ctx context.Context) {
	tick := time.NewTicker(s.Poll)
	defer tick.Stop()
	for {
		s.attempt(following, "taking up runs", func() error { return s.takeUp(ctx) })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Scheduler) takeUp(ctx context.Context) error {
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

// catchUpMissed makes the runs that are due, the oldest period first: at the
// monthly time that is the month that ended, after an outage those before too. A
// run left behind that cannot go on does not keep the others from being made.
func (s *Scheduler) catchUpMissed(ctx context.Context, slot string) error {
	failed := s.takeUp(ctx)
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, s.each(ctx, slot, s.Settler.Programme.MissedPeriods(periods, s.RunAt, s.Settler.Now())))
}

// catchUp is the work of a night.
func (s *Scheduler) catchUp(ctx context.Context, slot string) error {
	return errors.Join(s.catchUpMissed(ctx, slot), s.catchUpStale(ctx, slot), s.tellWaiting(ctx))
}

// tellWaiting names the months past that the clock leaves out, for no invoice has
// named them, although packages were earned in them.
func (s *Scheduler) tellWaiting(ctx context.Context) error {
	month := s.Settler.Programme.Local(s.Settler.Now()).Period()
	waiting, err := s.Settler.Calendar.PendingPackages(ctx, month.First())
	for _, p := range slices.Sorted(maps.Keys(waiting)) {
		s.Settler.Log.Warn("packages wait for the run of a month that no invoice has named: `referral run "+p.String()+"` sends them",
			"period", p, "packages", waiting[p])
	}
	return err
}

func (s *Scheduler) catchUpStale(ctx context.Context, slot string) error {
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return err
	}
	return s.each(ctx, slot, billing.Stale(periods))
}

// each runs several periods; what one of them fails on is no reason to leave the
// next out.
func (s *Scheduler) each(ctx context.Context, slot string, periods []models.Period) error {
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
		if err == nil && run.ID != 0 {
			_, err = s.Settler.Work(ctx, run)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// attempts tries again for about two minutes: a connection that ended, or a server
// that was restarted, must not put a month off until the next night. The slot of a
// run makes that it is started once however often that is tried.
func (s *Scheduler) attempts(ctx context.Context, k kind, what string, work func() error) {
	const longest = time.Minute
	for wait := time.Second; !s.attempt(k, what, work) && wait <= longest && sleep.For(ctx, wait); wait *= 2 {
	}
}

// attempt is the one place where the scheduler's errors are handled, and where a
// panic becomes one: the clock, and the service around it, go on.
func (s *Scheduler) attempt(k kind, what string, work func() error) (done bool) {
	err := s.Settler.guard.Do(work)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", what, models.NameRejection(err))
		s.Settler.Metrics.failures.Inc()
		s.Settler.Log.Error("the scheduler will try again", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[k] = err
	return err == nil
}
