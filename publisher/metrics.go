package publisher

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published *prometheus.CounterVec
	errors    *prometheus.CounterVec
	writes    *prometheus.HistogramVec
	backlog   *prometheus.GaugeVec
	oldest    prometheus.Gauge
	leads     prometheus.Gauge
	held      *prometheus.GaugeVec
	heldNames *prometheus.GaugeVec
	short     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const space, part = "referral", "publisher"
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: space, Subsystem: part, Name: name, Help: help}
	}
	m := &metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: part, Name: "published_total",
			Help: "Messages acknowledged by all in-sync replicas.",
		}, []string{"topic", "type"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: part, Name: "errors_total",
			Help: "Failed attempts that are repeated, by what was being done.",
		}, []string{"doing"}),
		writes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: space, Subsystem: part, Name: "write_duration_seconds",
			Help: "Time of one produce request until its acknowledgement.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11),
		}, []string{"topic"}),
		backlog: prometheus.NewGaugeVec(gauge("backlog", "What is not published yet."), []string{"kind"}),
		oldest:  prometheus.NewGauge(gauge("oldest_age_seconds", "Age of the oldest thing not published yet.")),
		leads:   prometheus.NewGauge(gauge("leader", "1 while this replica publishes.")),
		held: prometheus.NewGaugeVec(gauge("held_accounts",
			"Accounts (for set-asides: messages) held back because the broker refuses a message for ever."), []string{"stream"}),
		heldNames: prometheus.NewGaugeVec(gauge("held_document",
			"1 for what is held, with the document that was refused; the first 50."), []string{"stream", "id", "document"}),
		short: prometheus.NewGauge(gauge("short_chunks", "Chunks that are not published because the ledger shows less than their run posted.")),
	}
	return m, m.register(reg)
}

func (m *metrics) register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{
		m.published, m.errors, m.writes, m.backlog, m.oldest, m.leads, m.held, m.heldNames, m.short,
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("publisher: registering metrics: %w", err)
		}
	}
	return nil
}
