package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/internal/tracing"
	"referral/models"
)

// Metrics count what runs do.
type Metrics struct {
	registerer prometheus.Registerer

	accounts  prometheus.Counter
	documents prometheus.Counter
	amount    *prometheus.CounterVec
	packages  prometheus.Counter
	parked    prometheus.Counter
	runs      *prometheus.CounterVec
	took      *prometheus.HistogramVec
	success   *prometheus.GaugeVec // without labels: there is none before the first success
	failures  prometheus.Counter
	jumps     *prometheus.CounterVec
}

// Values of labels. Each counter is created with all of them, because an alert cannot
// see a counter that first appears with its first event.
const (
	discount, reversal = "discount", "reversal"
	forward, backward  = "forward", "backward"
)

var (
	kinds  = []models.RunKind{models.RunRegular, models.RunDifferences, models.RunFull, models.RunBooked}
	states = []models.RunState{models.RunBraked, models.RunIncomplete, models.RunDone}
)

// NewMetrics registers the metrics of the scheduler.
func NewMetrics(r prometheus.Registerer) *Metrics {
	auto := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return auto.NewCounter(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: name, Help: help})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registerer: r,
		accounts:   counter("accounts_total", "Accounts that were settled and have a discount, a document or a package."),
		documents:  counter("documents_total", "Adjustment documents posted."),
		amount:     vec("amount_kopecks_total", "Amount of the adjustment documents posted, in kopecks, by kind: discount or reversal.", "kind"),
		packages:   counter("packages_total", "SMS packages posted."),
		parked:     counter("parked_accounts_total", "Accounts, and single invoices of other accounts, that could not be settled."),
		runs:       vec("runs_total", "Runs that reached a final state or were stopped by the brake, by kind and state.", "kind", "state"),
		took: auto.NewHistogramVec(prometheus.HistogramOpts{Namespace: "referral", Subsystem: "settlement", Name: "run_duration_seconds",
			Help: "Duration of runs, by kind.", Buckets: prometheus.ExponentialBuckets(0.25, 2, 17)}, []string{"kind"}),
		success: auto.NewGaugeVec(prometheus.GaugeOpts{Namespace: "referral", Subsystem: "settlement", Name: "last_success_timestamp_seconds",
			Help: "When a run of this process last ended without parked accounts."}, nil),
		failures: auto.NewCounter(prometheus.CounterOpts{Namespace: "referral", Subsystem: "scheduler", Name: "errors_total",
			Help: "Scheduled jobs that ended in an error. The next one tries again."}),
		jumps: auto.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "scheduler", Name: "clock_jumps_total",
			Help: "Jumps of the wall clock by 10 seconds or more, by direction. A suspended machine counts as forward."}, []string{"direction"}),
	}
	m.begin()
	return m
}

func (m *Metrics) begin() {
	for _, kind := range kinds {
		m.took.WithLabelValues(string(kind))
		for _, state := range states {
			m.runs.WithLabelValues(string(kind), string(state))
		}
	}
	for _, kind := range []string{discount, reversal} {
		m.amount.WithLabelValues(kind)
	}
	for _, direction := range []string{forward, backward} {
		m.jumps.WithLabelValues(direction)
	}
}

func (m *Metrics) settled(t models.Totals) {
	m.accounts.Add(float64(t.Accounts))
	m.documents.Add(float64(t.Documents))
	m.parked.Add(float64(t.Parked))
	m.packages.Add(float64(t.Packages))
	if t.Amount < 0 {
		m.amount.WithLabelValues(discount).Add(-float64(t.Amount))
	} else {
		m.amount.WithLabelValues(reversal).Add(float64(t.Amount))
	}
}

func (m *Metrics) ended(ctx context.Context, run models.Run, now time.Time) {
	m.runs.WithLabelValues(string(run.Kind), string(run.State)).Inc()
	if !run.StartedAt.IsZero() && !run.FinishedAt.IsZero() {
		tracing.Observe(ctx, m.took.WithLabelValues(string(run.Kind)), max(0, run.FinishedAt.Sub(run.StartedAt).Seconds())) // the clock may have been set back
	}
	if run.State == models.RunDone {
		m.success.WithLabelValues().Set(float64(now.Unix()))
	}
}
