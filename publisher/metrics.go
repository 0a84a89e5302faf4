package publisher

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/models"
)

// What was being done when an attempt failed.
const (
	doingLead     = "lead"
	doingBacklog  = "backlog"
	doingLedger   = "ledger"
	doingMetadata = "metadata"
	doingWrite    = "write"
	doingStreams  = "streams"
	doingShort    = "short-chunk"
)

// The streams, and the type by which dead letters are counted.
const (
	streamDocuments     = "documents"
	streamAnnouncements = "announcements"
	streamSetAsides     = "set-asides"
	deadLetter          = "dead-letter"
)

type metrics struct {
	published *prometheus.CounterVec
	errors    *prometheus.CounterVec
	writes    *prometheus.HistogramVec
	backlog   *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec // without labels, as readAt: neither is there before the backlog was read
	readAt    *prometheus.GaugeVec
	leads     prometheus.Gauge
	held      *prometheus.GaugeVec
	heldNames *prometheus.GaugeVec
	short     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, t Topics) *metrics {
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
		published: counter("published_total", "Messages acknowledged by all in-sync replicas.", "topic", "type"),
		errors:    counter("errors_total", "Failed attempts that are repeated, by what was being done.", "doing"),
		writes: auto.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "referral", Subsystem: "publisher", Name: "write_duration_seconds",
			Help: "Time of one produce request until its acknowledgement.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11),
		}, []string{"topic"}),
		backlog: gauge("backlog", "What is not published yet.", "kind"),
		oldest:  gauge("oldest_age_seconds", "Age of the oldest thing not published yet, when the backlog was read."),
		readAt:  gauge("backlog_timestamp_seconds", "When the backlog was last read from the database."),
		leads:   auto.NewGauge(prometheus.GaugeOpts(opts("leader", "1 while this replica publishes."))),
		held: gauge("held_accounts",
			"Accounts (for set-asides: messages) held back because the broker refuses a message permanently.", "stream"),
		heldNames: gauge("held_document", "1 for what is held, with the document that was refused; the first 50.", "stream", "id", "document"),
		short: auto.NewGauge(prometheus.GaugeOpts(opts("short_chunks",
			"Chunks that are not published because the ledger shows less than their run posted."))),
	}
	m.begin(t)
	return m
}

// begin has every counter begin at 0: one that is not there until something happens
// raises no alarm when it does.
func (m *metrics) begin(t Topics) {
	for _, kind := range []string{doingLead, doingBacklog, doingLedger, doingMetadata, doingWrite, doingStreams, doingShort} {
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
	for _, stream := range []string{streamDocuments, streamAnnouncements, streamSetAsides} {
		m.held.WithLabelValues(stream)
	}
}
