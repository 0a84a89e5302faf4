package publisher

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

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

func newMetrics(reg prometheus.Registerer, t Topics) (*metrics, error) {
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
		oldest:  prometheus.NewGaugeVec(gauge("oldest_age_seconds", "Age of the oldest thing not published yet, when the backlog was read."), nil),
		readAt:  prometheus.NewGaugeVec(gauge("backlog_timestamp_seconds", "When the backlog was last read from the database."), nil),
		leads:   prometheus.NewGauge(gauge("leader", "1 while this replica publishes.")),
		held: prometheus.NewGaugeVec(gauge("held_accounts",
			"Accounts (for set-asides: messages) held back because the broker refuses a message for ever."), []string{"stream"}),
		heldNames: prometheus.NewGaugeVec(gauge("held_document",
			"1 for what is held, with the document that was refused; the first 50."), []string{"stream", "id", "document"}),
		short: prometheus.NewGauge(gauge("short_chunks", "Chunks that are not published because the ledger shows less than their run posted.")),
	}
	m.begin(t)
	return m, m.register(reg)
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

func (m *metrics) register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{
		m.published, m.errors, m.writes, m.backlog, m.oldest, m.readAt, m.leads, m.held, m.heldNames, m.short,
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("publisher: registering metrics: %w", err)
		}
	}
	return nil
}
