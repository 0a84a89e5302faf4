package consumer

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/consumer/decode"
	"referral/models"
)

type metrics struct {
	messages      *prometheus.CounterVec // by type and outcome
	deadLetters   *prometheus.CounterVec // by reason
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
		messages:      counters("messages_total", "Messages consumed, by event type and outcome: applied, repeated or dead_letter.", "type", "outcome"),
		deadLetters:   counters("dead_letters_total", "Messages that became dead letters, by reason.", "reason"),
		batchMessages: histogram("batch_messages", "Messages in one transaction of the ingest.", prometheus.ExponentialBuckets(1, 4, 7)),
		ingestSeconds: histogram("ingest_duration_seconds", "Duration of one transaction of the ingest.", prometheus.ExponentialBuckets(0.001, 2.5, 11)),
		ingestErrors: counters("ingest_errors_total",
			"Transactions of the ingest that failed, by kind: refused (the batch is split) or failed (it is retried, after a while in smaller batches).", "kind"),
		gaps:        counters("lost_messages_total", "Messages that the broker deleted before they were consumed.", "topic"),
		rewinds:     counters("offset_resets_total", "Partitions read again from their beginning because they end before the committed offset.", "topic"),
		recreated:   counters("recreated_partitions_total", "Partitions read from their beginning because their topic was deleted and created again.", "topic"),
		fetchErrors: counters("fetch_errors_total", "Failed fetches from the leader of a partition. It is connected to again.", "topic"),
		stalls:      counters("stalls_total", "Partitions that made no progress although messages waited. The group is joined again.", "topic"),
		commits:     counters("commits_total", "Commits of offsets, by outcome: committed, fenced (the partitions belong to another member now) or failed (it is retried).", "outcome"),
		generations: counters("group_joins_total", "Times that this process joined the consumer group.").WithLabelValues(),
		joinErrors:  counters("group_join_errors_total", "Failed attempts to join the consumer group.").WithLabelValues(),
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
		for _, became := range []models.Disposition{models.Applied, models.Repeated, models.DeadLettered} {
			m.messages.WithLabelValues(d.EventType(topic), string(became))
		}
	}
	begin(m.deadLetters, string(models.BadUnreadable), string(models.BadUnknownType), string(models.BadField),
		string(models.BadTooLarge), string(models.BadConflict), string(models.BadRefused))
	begin(m.ingestErrors, "refused", "failed")
	begin(m.commits, "committed", "fenced", "failed")
}

func begin(counter *prometheus.CounterVec, values ...string) {
	for _, value := range values {
		counter.WithLabelValues(value)
	}
}
