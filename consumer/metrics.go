package consumer

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	messages    *prometheus.CounterVec // by type and outcome
	setAside    *prometheus.CounterVec // by reason
	batchSize   prometheus.Histogram
	takeSeconds prometheus.Histogram
	takeErrors  *prometheus.CounterVec // by kind
	lag         *prometheus.GaugeVec   // by topic and partition, as those below
	gaps        *prometheus.CounterVec
	rewinds     *prometheus.CounterVec
	controls    *prometheus.CounterVec
	fetchErrors *prometheus.CounterVec
	stalls      *prometheus.CounterVec
	commits     *prometheus.CounterVec // by outcome
	generations prometheus.Counter
	joinErrors  prometheus.Counter
}

func newMetrics() *metrics {
	partition := []string{"topic", "partition"}
	return &metrics{
		messages:    counters("messages_total", "Messages taken, by type of event and outcome: applied, repeated or set_aside.", "type", "outcome"),
		setAside:    counters("set_aside_total", "Messages set aside, by reason.", "reason"),
		batchSize:   histogram("batch_messages", "Messages in one transaction.", prometheus.ExponentialBuckets(1, 4, 7)),
		takeSeconds: histogram("take_seconds", "Duration of one transaction.", prometheus.ExponentialBuckets(0.001, 2.5, 11)),
		takeErrors:  counters("take_errors_total", "Transactions that failed: refused (the batch is split) or failed (it is tried again).", "kind"),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem,
			Name: "lag_messages", Help: "Messages on the topic that are not taken yet."}, partition),
		gaps:        counters("gap_messages_total", "Messages that the topic no longer had when they were due: lost for good.", partition...),
		rewinds:     counters("rewinds_total", "Restarts at the beginning of a topic that ends before the committed offset.", partition...),
		controls:    counters("control_records_total", "Markers of transactions, passed by: commit or abort.", "topic", "partition", "kind"),
		fetchErrors: counters("fetch_errors_total", "Connections to a partition's leader that failed and were made anew.", partition...),
		stalls:      counters("stalls_total", "Partitions without progress though messages waited: the group was joined anew.", partition...),
		commits:     counters("commits_total", "Commits of offsets, by outcome: committed, fenced (partitions have gone to another member) or failed (tried again).", "outcome"),
		generations: prometheus.NewCounter(counterOpts("generations_total", "Times that the group was joined.")),
		joinErrors:  prometheus.NewCounter(counterOpts("join_errors_total", "Failed attempts to join the group.")),
	}
}

const (
	namespace = "referral"
	subsystem = "consumer"
)

func counterOpts(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(counterOpts(name, help), labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: name, Help: help, Buckets: buckets,
	})
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{
		m.messages, m.setAside, m.batchSize, m.takeSeconds, m.takeErrors, m.lag, m.gaps, m.rewinds,
		m.controls, m.fetchErrors, m.stalls, m.commits, m.generations, m.joinErrors,
	} {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}
