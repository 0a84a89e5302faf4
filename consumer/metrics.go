package consumer

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/consumer/decode"
	"referral/models"
)

type metrics struct {
	messages      *prometheus.CounterVec // by type and outcome
	setAside      *prometheus.CounterVec // by reason
	batchMessages prometheus.Histogram
	ingestSeconds prometheus.Histogram
	ingestErrors  *prometheus.CounterVec // by kind
	gaps          *prometheus.CounterVec // by topic, as those below
	rewinds       *prometheus.CounterVec
	recreated     *prometheus.CounterVec
	fetchErrors   *prometheus.CounterVec
	stalls        *prometheus.CounterVec
	commits       *prometheus.CounterVec // by outcome
	generations   prometheus.Counter
	joinErrors    prometheus.Counter
}

const (
	namespace = "referral"
	subsystem = "consumer"
)

func newMetrics(reg prometheus.Registerer, topics decode.Topics, d *decode.Decoder) *metrics {
	auto := promauto.With(reg)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return auto.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		messages:      counters("messages_total", "Messages taken, by type of event and outcome: applied, repeated or set_aside.", "type", "outcome"),
		setAside:      counters("set_aside_total", "Messages set aside, by reason.", "reason"),
		batchMessages: histogram("batch_messages", "Messages in one transaction.", prometheus.ExponentialBuckets(1, 4, 7)),
		ingestSeconds: histogram("take_seconds", "Duration of one transaction.", prometheus.ExponentialBuckets(0.001, 2.5, 11)),
		ingestErrors: counters("take_errors_total",
			"Transactions that failed: refused (the batch is divided) or failed (it is tried again, in smaller parts after a while).", "kind"),
		gaps:        counters("gap_messages_total", "Messages that the topic no longer had when they were due: lost for good.", "topic"),
		rewinds:     counters("rewinds_total", "Restarts at the beginning of a topic that ends before the committed offset.", "topic"),
		recreated:   counters("recreated_total", "Partitions read from their beginning because their topic had been deleted and made again.", "topic"),
		fetchErrors: counters("fetch_errors_total", "Connections to a partition's leader that failed and were made again.", "topic"),
		stalls:      counters("stalls_total", "Partitions without progress though messages waited: the group was joined again.", "topic"),
		commits:     counters("commits_total", "Commits of offsets, by outcome: committed, fenced (partitions have gone to another member) or failed (tried again).", "outcome"),
		generations: counters("generations_total", "Times that the group was joined.").WithLabelValues(),
		joinErrors:  counters("join_errors_total", "Failed attempts to join the group.").WithLabelValues(),
	}
	m.begin(topics, d)
	return m
}

// begin has every counter begin at zero: one that came into being with its
// first fault would not raise an alert on it.
func (m *metrics) begin(topics decode.Topics, d *decode.Decoder) {
	for _, topic := range topics.All() {
		for _, counter := range []*prometheus.CounterVec{m.gaps, m.rewinds, m.recreated, m.fetchErrors, m.stalls} {
			counter.WithLabelValues(topic)
		}
		for _, became := range []models.Disposition{models.Applied, models.Repeated, models.Aside} {
			m.messages.WithLabelValues(d.EventType(topic), string(became))
		}
	}
	begin(m.setAside, string(models.BadUnreadable), string(models.BadUnknownType), string(models.BadField),
		string(models.BadTooLarge), string(models.BadConflict), string(models.BadRefused))
	begin(m.ingestErrors, "refused", "failed")
	begin(m.commits, "committed", "fenced", "failed")
}

func begin(counter *prometheus.CounterVec, values ...string) {
	for _, value := range values {
		counter.WithLabelValues(value)
	}
}
