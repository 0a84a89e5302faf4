package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/sleep"
	"referral/models"
)

// FigureSource counts the state of the programme.
type FigureSource interface {
	Figures(context.Context) (models.Figures, error)
}

// Gauges show the state of the programme, read from the storage at an interval
// so that no scrape waits for a query.
type Gauges struct {
	source FigureSource
	log    *slog.Logger

	accounts, pending, promised, stale, letters, success prometheus.Gauge
	held, runs, breaks, waiting                          *prometheus.GaugeVec
}

// NewGauges registers the gauges.
func NewGauges(r prometheus.Registerer, source FigureSource, log *slog.Logger) *Gauges {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "referral", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	vec := func(name, help, label string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "referral", Name: name, Help: help}, []string{label})
		r.MustRegister(g)
		return g
	}
	return &Gauges{
		source: source, log: log,
		accounts: gauge("accounts", "Accounts known, estimated."),
		pending:  gauge("pending_activations", "Activations that wait for their account's registration."),
		promised: gauge("promised_discounts", "Discounts granted whose promo period has not ended yet."),
		stale:    gauge("stale_marks", "Marks on accounts that the nightly catch-up will settle again."),
		letters:  gauge("dead_letters", "Messages set aside and not put back."),
		success:  gauge("last_successful_run_timestamp_seconds", "When a run of any process last ended without parked accounts."),
		held:     vec("held_lines", "Invoice lines without a discount because their service is on no list.", "service"),
		runs:     vec("runs", "Runs in a state that wants work or attention.", "state"),
		breaks:   vec("reconciliation_breaks", "Breaks that the last reconciliation of a period found.", "period"),
		waiting:  vec("packages_waiting", "Packages earned in a month past that no invoice has named, and that is therefore not run by the clock.", "period"),
	}
}

// Follow keeps the gauges true until ctx is done.
func (g *Gauges) Follow(ctx context.Context, every time.Duration) {
	for {
		figures, err := g.source.Figures(ctx)
		if err == nil {
			g.show(figures)
		} else if ctx.Err() == nil {
			g.log.Error("the figures of the programme could not be read; the gauges show the last ones", "err", err)
		}
		if !sleep.For(ctx, every) {
			return
		}
	}
}

func (g *Gauges) show(f models.Figures) {
	g.accounts.Set(float64(f.Accounts))
	g.pending.Set(float64(f.PendingActivations))
	g.promised.Set(float64(f.Promised))
	g.stale.Set(float64(f.Stale))
	g.letters.Set(float64(f.DeadLetters))
	if !f.LastSuccess.IsZero() {
		g.success.Set(float64(f.LastSuccess.Unix()))
	}
	g.held.Reset()
	for service, n := range f.Held {
		g.held.WithLabelValues(service).Set(float64(n))
	}
	for _, state := range []models.RunState{models.RunRehearsing, models.RunPosting, models.RunBraked, models.RunIncomplete} {
		g.runs.WithLabelValues(string(state)).Set(float64(f.Runs[state]))
	}
	g.breaks.Reset()
	for period, n := range f.Breaks {
		g.breaks.WithLabelValues(period.String()).Set(float64(n))
	}
	g.waiting.Reset()
	for period, n := range f.WaitingPackages {
		g.waiting.WithLabelValues(period.String()).Set(float64(n))
	}
}
