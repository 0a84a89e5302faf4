package scheduler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

// Metrics count what runs do.
type Metrics struct {
	accounts  prometheus.Counter
	documents prometheus.Counter
	amount    *prometheus.CounterVec
	packages  prometheus.Counter
	parked    prometheus.Counter
	runs      *prometheus.CounterVec
	success   prometheus.Gauge
	failures  prometheus.Counter
}

// NewMetrics registers the metrics of the scheduler.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: name, Help: help})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "settlement", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		accounts:  counter("accounts_total", "Accounts settled with a discount, a document or a package."),
		documents: counter("documents_total", "Adjustment documents posted."),
		amount:    vec("amount_kopecks_total", "Sum of the documents posted, in kopecks, by kind: discounts given, or taken back.", "kind"),
		packages:  counter("packages_total", "SMS packages posted."),
		parked:    counter("parked_accounts_total", "Accounts that could not be settled and were parked."),
		runs:      vec("runs_total", "Runs moved to a state, by kind and state.", "kind", "state"),
		success: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "referral", Subsystem: "settlement", Name: "last_success_timestamp_seconds",
			Help: "When a run last ended without parked accounts."}),
		failures: counter("failures_total", "Times that the scheduler's work ended in an error."),
	}
	r.MustRegister(m.accounts, m.documents, m.amount, m.packages, m.parked, m.runs, m.success, m.failures)
	return m
}

func (m *Metrics) settled(_ models.Run, t models.Totals) {
	m.accounts.Add(float64(t.Accounts))
	m.documents.Add(float64(t.Documents))
	m.parked.Add(float64(t.Parked))
	m.packages.Add(float64(t.Packages))
	if t.Amount < 0 {
		m.amount.WithLabelValues("discount").Add(-float64(t.Amount))
	} else {
		m.amount.WithLabelValues("reversal").Add(float64(t.Amount))
	}
}

func (m *Metrics) ended(run models.Run, now time.Time) {
	m.runs.WithLabelValues(string(run.Kind), string(run.State)).Inc()
	if run.State == models.RunDone {
		m.success.Set(float64(now.Unix()))
	}
}
