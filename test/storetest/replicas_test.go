package storetest_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"

	"referral/billing"
	"referral/internal/sleep"
	"referral/models"
	"referral/scheduler"
	"referral/store"
	"referral/test/storetest"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func programme(t *testing.T) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(moscow, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}}, Discounted: []string{"subscription"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fireOnce fires once.
type fireOnce time.Time

// Next is when it fires, if that is still to come.
func (s fireOnce) Next(after time.Time) time.Time {
	if after.Before(time.Time(s)) {
		return time.Time(s)
	}
	return time.Time{}
}

// nightlyStore signals when a scheduler has finished its nightly job.
type nightlyStore struct {
	*store.Store
	over chan struct{}
	won  *atomic.Int64
}

// ClaimSlot counts the reconciliations. Looking ahead is the last step of the nightly job:
// nobody does it here.
func (n nightlyStore) ClaimSlot(ctx context.Context, slot string) (bool, error) {
	if strings.HasPrefix(slot, "look-ahead@") {
		n.over <- struct{}{}
		return false, nil
	}
	won, err := n.Store.ClaimSlot(ctx, slot)
	if won && strings.HasPrefix(slot, "reconcile@") {
		n.won.Add(1)
	}
	return won, err
}

// observedSchedule is a schedule that signals when a scheduler's clock has begun to follow it.
type observedSchedule struct {
	cron.Schedule
	once  sync.Once
	begun chan<- struct{}
}

// Next is asked for the first time right after the clock was first read.
func (b *observedSchedule) Next(after time.Time) time.Time {
	b.once.Do(func() { b.begun <- struct{}{} })
	return b.Schedule.Next(after)
}

// skipListener signals the end of a nightly job that a scheduler skips because the
// one before still runs.
type skipListener struct {
	slog.Handler
	over chan<- struct{}
}

func (skipListener) Enabled(context.Context, slog.Level) bool { return true }

// Handle passes every other message by.
func (l skipListener) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "left out") {
		r.Attrs(func(a slog.Attr) bool {
			if a.Equal(slog.String("job", "nightly catch-up")) {
				l.over <- struct{}{}
			}
			return true
		})
	}
	return nil
}

// replica is one process; when is the time of its nightly job by its own
// clock.
func replica(t *testing.T, n nightlyStore, when cron.Schedule, now func() time.Time) (*scheduler.Scheduler, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: n, Calendar: n, Programme: programme(t), Workers: 2, Chunk: 3, Log: slog.New(skipListener{slog.DiscardHandler, n.over}),
		Metrics: scheduler.NewMetrics(registry), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	monthly, err := scheduler.ParseSchedule("0 3 1 * *", moscow)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(scheduler.Options{
		Settler: settler, Auditor: n, Insight: n, Orders: n, RunAt: monthly, CatchUp: when, Poll: time.Hour, OrderPoll: time.Hour, Quiet: time.Hour, LookEvery: 10 * time.Millisecond,
		Sign:      func(context.Context, *models.RunOrder, func(through, all int)) error { return nil }, // nobody orders it
		Retention: scheduler.Retention{Cleaner: n, Schedule: fireOnce{}},                                // never
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, registry
}

// Three replicas whose nightly jobs start in the same second make one run of the month
// on their database, and one reconciliation.
func TestThreeReplicasMakeOneRun(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	now := time.Date(2026, 5, 10, 1, 30, 0, 0, time.UTC)
	s, dsn := storetest.Open(t, func() time.Time { return now })
	bill(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	n := nightlyStore{s, make(chan struct{}, 3), new(atomic.Int64)}
	ended := make(chan error, 3)
	var ahead atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(ahead.Load())) }
	following := make(chan struct{}, 3)
	for range 3 {
		r, _ := replica(t, n, &observedSchedule{Schedule: fireOnce(now.Add(time.Second)), begun: following}, clock)
		go func() { ended <- r.Run(ctx) }()
	}
	for range 3 {
		<-following
	}
	ahead.Store(int64(time.Second))
	for range 3 {
		<-n.over
	}
	cancel()
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	db := storetest.SQL(t, dsn)
	var runs, documents, amount int64
	var state string
	if err := db.QueryRow(`SELECT count(*), min(state), sum(documents), sum(amount)::bigint FROM runs`).Scan(&runs, &state, &documents, &amount); err != nil {
		t.Fatal(err)
	}
	if runs != 1 || state != "done" || documents != 20 || amount != -20*200 || n.won.Load() != 1 {
		t.Errorf("%d runs, %s, with %d documents of %d; %d reconciliations", runs, state, documents, amount, n.won.Load())
	}
	_ = db.Close()
	_ = s.Close()
	goleak.VerifyNone(t, ignore)
}

// The wall clock jumps over the month's run and the nightly job, is set back, and
// comes there again: three replicas make one run and one reconciliation.
func TestThreeReplicasMakeOneRunWhenTheClockJumps(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	began, now := time.Now(), time.Date(2026, 5, 1, 1, 0, 0, 0, moscow)
	var ahead atomic.Int64
	clock := func() time.Time { return now.Add(time.Since(began) + time.Duration(ahead.Load())) }
	s, dsn := storetest.Open(t, clock)
	bill(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	n := nightlyStore{s, make(chan struct{}, 3), new(atomic.Int64)}
	ended, following := make(chan error, 3), make(chan struct{}, 3)
	var registries []*prometheus.Registry
	for range 3 {
		r, registry := replica(t, n, &observedSchedule{Schedule: nightly(t), begun: following}, clock)
		registries = append(registries, registry)
		go func() { ended <- r.Run(ctx) }()
	}
	for range 3 {
		<-following
	}
	for jump := range 2 {
		ahead.Add(int64(8 * time.Hour))
		for range 3 {
			<-n.over
		}
		if jump == 0 {
			ahead.Add(int64(-8 * time.Hour))
			await(t, func() bool {
				return !slices.ContainsFunc(registries, func(r *prometheus.Registry) bool { return jumpsBack(t, r) == 0 })
			})
		}
	}
	cancel()
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	db := storetest.SQL(t, dsn)
	var runs, documents, amount int64
	if err := db.QueryRow(`SELECT count(*), sum(documents), sum(amount)::bigint FROM runs WHERE state = 'done'`).Scan(&runs, &documents, &amount); err != nil {
		t.Fatal(err)
	}
	if runs != 1 || documents != 20 || amount != -20*200 || n.won.Load() != 1 {
		t.Errorf("%d runs with %d documents of %d; %d reconciliations", runs, documents, amount, n.won.Load())
	}
	_ = db.Close()
	_ = s.Close()
	goleak.VerifyNone(t, ignore)
}

func jumpsBack(t *testing.T, r *prometheus.Registry) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "referral_scheduler_clock_jumps_total" && m.GetLabel()[0].GetValue() == "backward" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func nightly(t *testing.T) cron.Schedule {
	t.Helper()
	s, err := scheduler.ParseSchedule("30 4 * * *", moscow)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		if !sleep.For(ctx, time.Millisecond) {
			t.Fatal("it never came to be")
		}
	}
}

// overtaken is the store of a process that another one is always ahead of: it moves
// the run on, and dies.
type overtaken struct{ *store.Store }

func (o overtaken) AdvanceRun(ctx context.Context, id int64, check store.Check) (models.Run, bool, error) {
	if run, moved, err := o.Store.AdvanceRun(ctx, id, check); err != nil || !moved {
		return run, moved, err
	}
	return o.Store.AdvanceRun(ctx, id, check)
}

// Anyone who works at a run goes on with it when the process that moved it to posting
// has died.
func TestARunContinuesAfterTheProcessThatAdvancedItDies(t *testing.T) {
	now := time.Date(2026, 5, 10, 1, 30, 0, 0, time.UTC)
	s, dsn := storetest.Open(t, func() time.Time { return now })
	bill(t, s)
	n := nightlyStore{s, make(chan struct{}, 3), new(atomic.Int64)}
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: overtaken{s}, Calendar: n, Programme: programme(t), Workers: 2, Chunk: 3, Log: slog.New(skipListener{slog.DiscardHandler, n.over}),
		Metrics: scheduler.NewMetrics(prometheus.NewRegistry()), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	runs, err := settler.Run(ctx, models.RunRequest{Period: 202604})
	if err != nil || len(runs) != 1 || runs[0].State != models.RunDone || runs[0].Totals.Documents != 20 {
		t.Errorf("%+v, %v", runs, err)
	}
	var documents int64
	if err := storetest.SQL(t, dsn).QueryRow("SELECT count(*) FROM adjustments").Scan(&documents); err != nil || documents != 20 {
		t.Errorf("%d documents, %v", documents, err)
	}
}

// bill gives twenty accounts a friend and an April invoice of 10.00 each.
func bill(t *testing.T, s *store.Store) {
	t.Helper()
	var facts []models.FactData
	on := time.Date(2026, 4, 1, 0, 0, 0, 0, moscow)
	add := func(data models.FactData) { facts = append(facts, data) }
	for id := int64(1); id <= 20; id++ {
		add(models.Registered{AccountID: id, RegisteredAt: on.AddDate(-1, 0, 0)})
		add(models.Registered{AccountID: 100 + id, RegisteredAt: on})
		add(models.ActivationRequested{AccountID: 100 + id, Code: fmt.Sprint("CODE", id), RequestedAt: on})
		add(&models.Invoice{AccountID: id, ID: fmt.Sprint("INV", id), Revision: 1, Period: 202604, Currency: "RUB", Lines: []models.Line{
			{ID: "1", Service: "subscription", From: models.NewDate(2026, 4, 1), To: models.NewDate(2026, 5, 1), Amount: 1000},
		}})
	}
	take(t, s, facts...)
}

// take stores facts as the consumer does.
func take(t *testing.T, s *store.Store, data ...models.FactData) {
	t.Helper()
	batch := make([]models.DecodedMessage, len(data))
	for i := range data {
		batch[i].Fact = &models.Fact{At: time.Date(2026, 4, 1, 0, 0, 0, 0, moscow), Data: data[i]}
	}
	p := programme(t)
	_, err := s.Ingest(t.Context(), batch, func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		var owner int64
		book := billing.NewFactApplier(p, set, func() string { return fmt.Sprint("CODE", owner) })
		for _, f := range facts {
			owner = f.Data.Account()
			book.Apply(f)
		}
		return book.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}
