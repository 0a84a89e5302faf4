package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"referral/billing"
	"referral/models"
	"referral/scheduler"
)

// Moscow has had no other time since 2014.
var moscow = time.FixedZone("MSK", 3*60*60)

func programme(t testing.TB) *billing.Programme {
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

func schedule(t testing.TB, line string) cron.Schedule {
	t.Helper()
	s, err := scheduler.ParseSchedule(line, moscow)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// books is a store of which only the calendar is real: it keeps runs as the
// database would, one chunk each, and a diary of what was begun and when.
type books struct {
	mu         sync.Mutex
	periods    map[models.Period]*models.PeriodInfo
	runs       []*models.Run
	slots      map[string]int64 // run by slot
	diary      []string
	fail       map[models.Period]error // of its chunks
	panics     map[models.Period]int   // how many times a chunk of it panics
	brake      map[models.Period]bool
	parked     []models.ParkedAccount // by every run
	down       bool                   // the database does not answer
	reconciled []models.Period
	audited    []*models.AccountHistory
	noted      map[models.Period]int64 // breaks
	waiting    map[models.Period]int64
	faults     []models.JournalFault
	checks     []models.JournalCheck // of the journal, that were kept
	claimed    map[string]bool
	cleaned    []string                // tables, when they were deleted from, and how long they are kept
	dirty      map[string]func() error // what deleting from a table comes to
	desk       desk
	insight    insight
	ahead      time.Duration // of the wall clock, before the time that has passed
}

// now is the wall clock, which a test may set.
func (b *books) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wall()
}

func (b *books) wall() time.Time { return time.Now().Add(b.ahead) }

func newBooks(periods ...models.Period) *books {
	b := &books{
		periods: map[models.Period]*models.PeriodInfo{}, slots: map[string]int64{}, fail: map[models.Period]error{},
		panics: map[models.Period]int{}, brake: map[models.Period]bool{}, claimed: map[string]bool{}, noted: map[models.Period]int64{},
	}
	for _, p := range periods {
		b.know(p)
	}
	return b
}

func (b *books) know(p models.Period) {
	if b.periods[p] == nil {
		b.periods[p] = &models.PeriodInfo{Period: p, State: models.PeriodOpen}
	}
}

// change is what a test does to the books while the clock runs.
func (b *books) change(fn func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fn()
}

func (b *books) wrote() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.diary, "\n")
}

func (b *books) StartRun(_ context.Context, q models.RunRequest) (models.Run, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return models.Run{}, false, errDown
	}
	for _, r := range slices.Backward(b.runs) {
		if r.Period == q.Period && r.Active() || q.Slot != "" && b.slots[q.Slot] == r.ID {
			return *r, false, nil
		}
	}
	info := b.periods[q.Period]
	if q.Needed && (b.braked(q.Period) || info.State != models.PeriodOpen && info.Stale == 0) {
		return models.Run{}, false, nil
	}
	kind := models.RunDifferences
	if info.State == models.PeriodOpen {
		kind = models.RunRegular
	}
	r := &models.Run{ID: int64(len(b.runs) + 1), Period: q.Period, PostingPeriod: q.Period, Kind: kind, State: models.RunRehearsing, Accepted: q.Accept, AcceptedAmount: q.Amount, StartedAt: b.wall()}
	b.runs = append(b.runs, r)
	b.slots[q.Slot] = r.ID
	b.diary = append(b.diary, fmt.Sprintf("%s %s %s", b.wall().In(moscow).Format("2006-01-02 15:04"), r.Kind, r.Period))
	return *r, true, nil
}

func (b *books) braked(p models.Period) bool {
	return slices.ContainsFunc(b.runs, func(r *models.Run) bool { return r.Period == p && r.State == models.RunBraked })
}

var errDown = errors.New("the database does not answer")

func (b *books) WorkChunk(_ context.Context, run models.Run, _ func(models.Run, *models.SettlementInput) models.SettlementResult) (models.Totals, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.panics[run.Period] > 0 {
		b.panics[run.Period]--
		panic("money overflow")
	}
	if b.down {
		return models.Totals{}, false, errDown
	}
	return models.Totals{}, false, b.fail[run.Period]
}

func (b *books) AdvanceRun(_ context.Context, id int64, _ func(run models.Run, before models.Totals) []string) (models.Run, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.runs[id-1]
	switch {
	case r.State == models.RunRehearsing && b.brake[r.Period] && !r.Accepted:
		r.State = models.RunBraked
	case r.State == models.RunRehearsing:
		r.State = models.RunPosting
	case r.State == models.RunPosting:
		r.State, r.FinishedAt = models.RunDone, b.wall()
		if len(b.parked) > 0 {
			r.State = models.RunIncomplete
		}
		info := b.periods[r.Period]
		info.Stale = 0
		if info.State == models.PeriodOpen {
			info.State = models.PeriodRun
		}
	default:
		return *r, false, nil // another worker has moved it
	}
	return *r, true, nil
}

func (b *books) ParkedAccounts(context.Context, int64, int) ([]models.ParkedAccount, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.parked, nil
}

func (b *books) Periods(context.Context) ([]models.PeriodInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errDown
	}
	var list []models.PeriodInfo
	for _, info := range b.periods {
		list = append(list, *info)
	}
	slices.SortFunc(list, func(x, y models.PeriodInfo) int { return int(y.Period - x.Period) }) // not in the order wanted
	return list, nil
}

func (b *books) ActiveRuns(context.Context) ([]models.Run, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errDown
	}
	var list []models.Run
	for _, r := range b.runs {
		if r.Active() {
			list = append(list, *r)
		}
	}
	return list, nil
}

func (b *books) PendingPackages(_ context.Context, before models.Date) (map[models.Period]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[models.Period]int64{}
	for p, n := range b.waiting {
		if p.First() < before {
			found[p] = n
		}
	}
	return found, nil
}

func (b *books) Audit(_ context.Context, p models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reconciled = append(b.reconciled, p)
	err := begin(models.AuditHead{})
	for _, c := range b.audited {
		err = errors.Join(err, see(c))
	}
	return err
}

func (b *books) RecordReconciliation(_ context.Context, p models.Period, report models.ReconciliationReport) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noted[p] = report.Wrong
	return nil
}

func (b *books) CheckJournal(context.Context) (c models.JournalCheck, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Faults = b.faults
	c.Wrong = int64(len(b.faults))
	return c, err
}

func (b *books) KeepJournalCheck(_ context.Context, c *models.JournalCheck, act *models.OperatorAction) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if act != nil {
		return errors.New("the nightly check is that of a person")
	}
	b.checks = append(b.checks, *c)
	return nil
}

func (b *books) ClaimSlot(_ context.Context, slot string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return false, errDown
	}
	taken := b.claimed[slot]
	b.claimed[slot] = true
	return !taken, nil
}

// DeleteExpired deletes a row of each table that is given.
func (b *books) DeleteExpired(_ context.Context, keep map[string]time.Duration, note func(string, int64, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, table := range slices.Sorted(maps.Keys(keep)) {
		var err error
		if fail := b.dirty[table]; fail != nil {
			err = fail()
		}
		b.cleaned = append(b.cleaned, fmt.Sprintf("%s %s %s", b.wall().In(moscow).Format("15:04"), table, keep[table]))
		note(table, 1, err)
	}
}

// rig is a scheduler on such books.
type rig struct {
	*scheduler.Scheduler
	*books
	log     *bytes.Buffer // to be read when the scheduler has ended
	metrics *prometheus.Registry
}

func newRig(t testing.TB, b *books, change ...func(*scheduler.Options)) *rig {
	t.Helper()
	r := &rig{books: b, log: &bytes.Buffer{}, metrics: prometheus.NewRegistry()}
	settler, err := scheduler.NewSettler(scheduler.SettlerOptions{
		Runs: b, Calendar: b, Programme: programme(t), Workers: 2, Chunk: 10,
		Log: slog.New(slog.NewTextHandler(r.log, nil)), Metrics: scheduler.NewMetrics(r.metrics), Now: b.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := scheduler.Options{
		Settler: settler, Auditor: b, Insight: b, Orders: b, Sign: b.sign, RunAt: schedule(t, "0 3 1 * *"), CatchUp: schedule(t, "30 4 * * *"), Poll: time.Minute, OrderPoll: time.Minute,
		Retention: scheduler.Retention{
			Cleaner: b, Schedule: schedule(t, "0 12 31 12 *"), Keep: map[string]time.Duration{"sessions": time.Hour, "slots": 2 * time.Hour},
		},
	}
	for _, fn := range change {
		fn(&o)
	}
	if r.Scheduler, err = scheduler.New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// run starts the scheduler; the function returned ends it.
func (r *rig) run(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the scheduler ended with %v", err)
		}
	}
}

func (r *rig) failures(t testing.TB) float64 {
	t.Helper()
	return r.metric(t, "referral_scheduler_errors_total", "")
}

// metric is a counter, a gauge or the count of a histogram, with the value of its only label.
func (r *rig) metric(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("there is no %s of %q", name, label)
	return 0
}
