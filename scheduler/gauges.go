package scheduler

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// StatsSource counts the state of the programme.
type StatsSource interface {
	Stats(context.Context) (models.Stats, error)
}

// Gauges show the state of the programme, read from the storage at an interval
// so that no scrape waits for a query. They are not there until it was read once, and
// from then on say when that was last done: a database that is away must not look
// like one in which nothing waits.
type Gauges struct {
	source StatsSource
	log    *slog.Logger
	guard  *recovering.Guard
	now    func() time.Time
	last   atomic.Pointer[reading]
}

// reading is the figures, and when they were read.
type reading struct {
	models.Stats

	at time.Time
}

// NewGauges registers the gauges.
func NewGauges(r prometheus.Registerer, source StatsSource, log *slog.Logger, now func() time.Time) (*Gauges, error) {
	guard, err := recovering.New(log, r, "stats")
	if err != nil {
		return nil, err
	}
	g := &Gauges{source: source, log: log, guard: guard, now: now}
	return g, r.Register(g)
}

// Follow keeps the gauges true until ctx is done.
func (g *Gauges) Follow(ctx context.Context, every time.Duration) {
	for {
		if err := g.guard.Do(func() error { return g.read(ctx) }); err != nil && ctx.Err() == nil {
			g.log.ErrorContext(ctx, "the figures of the programme could not be read; the gauges show the last ones", "error", err)
		}
		if !sleep.For(ctx, every) {
			return
		}
	}
}

func (g *Gauges) read(ctx context.Context) error {
	at := g.now()
	figures, err := g.source.Stats(ctx)
	if err == nil {
		g.last.Store(&reading{figures, at})
	}
	return err
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("referral_programme_"+name, help, labels, nil)
}

var (
	descReadAt      = description("stats_timestamp_seconds", "When the referral_programme metrics were last read from the database.")
	descAccounts    = description("accounts", "Accounts in the database, estimated.")
	descPending     = description("pending_activations", "Activations that wait for the registration of their account.")
	descPromised    = description("promised_discounts", "Discounts that will begin when a promo period ends.")
	descStale       = description("stale_accounts", "Accounts, counted once a period, that the nightly catch-up will settle again.")
	descLetters     = description("dead_letters", "Dead letters that wait for a person: neither replayed nor discarded, or replayed and failed again.")
	descLastSuccess = description("last_successful_run_timestamp_seconds", "When a run last ended without parked accounts, in any process.")
	descLastSettled = description("last_settled_month_end_timestamp_seconds", "The end, a midnight of UTC, of the newest month that a run has settled since it was over, with nothing parked.")
	descParked      = description("parked", "Accounts, and single invoices of other accounts, that the newest run of their period could not settle.")
	descRejected    = description("rejected_documents", "Documents that billing has rejected and nobody has sent again or settled by hand.")
	descHeld        = description("held_lines", "Invoice lines without a discount because neither the terms nor a decision of staff says whether their service is discounted.", "service")
	descRuns        = description("runs", "Runs by state: rehearsing, posting, braked or incomplete.", "state")
	descBreaks      = description("reconciliation_breaks", "Breaks that the last nightly reconciliation of the period found. Commands do not change it.", "period")
	descLackingN    = description("entitled_not_discounted_accounts", "Accounts that got less discount in the period than their facts give, by the last nightly reconciliation.", "period")
	descLacking     = description("entitled_not_discounted_kopecks", "By how much these accounts got less discount, in kopecks.", "period")
	descExcessN     = description("discounted_not_entitled_accounts", "Accounts that got more discount in the period than their facts give, by the last nightly reconciliation.", "period")
	descExcess      = description("discounted_not_entitled_kopecks", "By how much these accounts got more discount, in kopecks.", "period")
	descOrders      = description("run_orders", "Orders of persons for runs, rehearsals, comparisons of terms and signatures that have not ended, by state.", "state")
	descOldestOrder = description("oldest_run_order_timestamp_seconds", "When the oldest order of a person that has not ended was made; absent without one.")
	descJournal     = description("journal_faults", "Faults that the last check of the whole journal found, the nightly one or that of a person; absent before the first.")
	descJournalAt   = description("journal_check_timestamp_seconds", "When the whole journal was last verified.")
	descWaiting     = description("pending_packages", "SMS packages earned in a past month for which no invoice has arrived, so that the schedule does not run it.", "period")
)

// Describe names the gauges.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descReadAt, descAccounts, descPending, descPromised, descStale, descLetters, descLastSuccess, descLastSettled, descParked, descRejected, descHeld, descRuns, descBreaks,
		descLackingN, descLacking, descExcessN, descExcess, descOrders, descOldestOrder, descJournal, descJournalAt, descWaiting,
	} {
		to <- d
	}
}

// Collect shows what was read last.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	f := g.last.Load()
	if f == nil {
		return
	}
	show := func(d *prometheus.Desc, value int64, labels ...string) {
		m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(d, err)
		}
		to <- m
	}
	show(descReadAt, f.at.Unix())
	show(descAccounts, f.Accounts)
	show(descPending, f.PendingActivations)
	show(descPromised, f.Promised)
	show(descStale, f.Stale)
	show(descLetters, f.DeadLetters)
	show(descParked, f.Parked)
	show(descRejected, f.Rejected)
	if !f.LastSuccess.IsZero() {
		show(descLastSuccess, f.LastSuccess.Unix())
	}
	if f.LastSettled != 0 {
		show(descLastSettled, f.LastSettled.End().Time().Unix())
	}
	for service, n := range f.Held {
		show(descHeld, n, service)
	}
	for _, state := range []models.RunState{models.RunRehearsing, models.RunPosting, models.RunBraked, models.RunIncomplete} {
		show(descRuns, f.Runs[state], string(state))
	}
	for _, state := range []models.RunOrderState{models.OrderWaiting, models.OrderWorking} {
		show(descOrders, f.RunOrders[state], string(state))
	}
	if !f.OldestOrder.IsZero() {
		show(descOldestOrder, f.OldestOrder.Unix())
	}
	if !f.JournalChecked.IsZero() {
		show(descJournal, f.JournalFaults)
		show(descJournalAt, f.JournalChecked.Unix())
	}
	for period, n := range f.Breaks {
		show(descBreaks, n, period.String())
	}
	for period, t := range f.Lacking {
		show(descLackingN, t.Count, period.String())
		show(descLacking, int64(t.Amount), period.String())
	}
	for period, t := range f.Excess {
		show(descExcessN, t.Count, period.String())
		show(descExcess, int64(t.Amount), period.String())
	}
	for period, n := range f.PendingPackages {
		show(descWaiting, n, period.String())
	}
}
