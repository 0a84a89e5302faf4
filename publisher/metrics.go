package publisher

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/models"
)

// What was being done when an attempt failed.
const (
	doingLead       = "lead"
	doingBacklog    = "backlog"
	doingLedger     = "ledger"
	doingMetadata   = "metadata"
	doingWrite      = "write"
	doingStreams    = "streams"
	doingIncomplete = "incomplete-chunk"
)

// The streams, and the type by which dead letters are counted.
const (
	streamDocuments   = "documents"
	streamEvents      = "events"
	streamDeadLetters = "dead-letters"
	deadLetter        = "dead-letter"
)

type metrics struct {
	published  *prometheus.CounterVec
	errors     *prometheus.CounterVec
	writes     *prometheus.HistogramVec
	backlog    *prometheus.GaugeVec
	oldest     *prometheus.GaugeVec // without labels, as readAt: neither is there before the backlog was read
	readAt     *prometheus.GaugeVec
	leads      prometheus.Gauge
	held       *prometheus.GaugeVec
	heldNames  *prometheus.GaugeVec
	incomplete prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, t Topics, shadow bool) *metrics {
	auto := promauto.With(reg)
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "referral", Subsystem: "publisher", Name: name, Help: help}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return auto.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), labels)
	}
	m := &metrics{
		published: counter("published_messages_total", "Messages that all in-sync replicas of the broker acknowledged.", "topic", "type"),
		errors:    counter("errors_total", "Failed operations that are retried.", "operation"),
		writes: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "referral", Subsystem: "publisher", Name: "write_duration_seconds",
			Help: "Duration of a produce request until its acknowledgement.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11),
		}, []string{"topic"}),
		backlog: gauge("backlog_messages", "Messages that are not published yet, by stream.", "stream"),
		oldest:  gauge("backlog_oldest_age_seconds", "Age of the oldest message that is not published yet, when the backlog was last read."),
		readAt:  gauge("backlog_timestamp_seconds", "When the backlog was last read from the database."),
		leads:   auto.NewGauge(prometheus.GaugeOpts(opts("leader", "Whether this process is the one that publishes: 1 or 0."))),
		held: gauge("held_accounts",
			"Accounts (of dead letters: messages) held back because the broker refuses a message permanently.", "stream"),
		heldNames: gauge("held_document_info", "1 for what is held back, with the document that was refused; the first 50.", "stream", "id", "document"),
		incomplete: auto.NewGauge(prometheus.GaugeOpts(opts("incomplete_chunks",
			"Chunks that are not published because the ledger holds less than their run posted."))),
	}
	inShadow := auto.NewGauge(prometheus.GaugeOpts(opts("shadow", "Whether this process runs in shadow mode, in which no document is published: 1 or 0.")))
	if shadow {
		inShadow.Set(1)
	}
	m.begin(t)
	return m
}

// begin creates every counter with all its labels, because an alert cannot see a counter
// that first appears with its first event.
func (m *metrics) begin(t Topics) {
	for _, kind := range []string{doingLead, doingBacklog, doingLedger, doingMetadata, doingWrite, doingStreams, doingIncomplete} {
		m.errors.WithLabelValues(kind)
	}
	for topic, kinds := range map[string][]string{
		t.Discounts: {AdjustmentType}, t.Packages: {PackageType}, t.DeadLetters: {deadLetter},
		t.Events: {string(models.CodeIssued), string(models.Activated), string(models.Refused), string(models.DiscountChanged)},
	} {
		for _, kind := range kinds {
			m.published.WithLabelValues(topic, kind)
		}
	}
	for _, stream := range []string{streamDocuments, streamEvents, streamDeadLetters} {
		m.held.WithLabelValues(stream)
	}
}
