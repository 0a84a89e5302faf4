package consumer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"referral/consumer/decode"
	"referral/models"
)

// Store stores a batch in one transaction and says what became of each message, in
// order. [models.ErrRefused] marks an error that lies in the data.
type Store interface {
	Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error)
	// TopicIDs is the ids that RecordTopicID recorded last: brokers may forget a topic's
	// offsets when it is deleted.
	TopicIDs(ctx context.Context) (map[string]string, error)
	RecordTopicID(ctx context.Context, topic, id string) error
}

// Options is what a [Consumer] is built from. Brokers, Group, Topics, Currency,
// Store and Derive are required.
type Options struct {
	Brokers []string // host:port of any of them
	Group   string
	Topics  decode.Topics
	Raw     []string      // further topics, whose messages go to the Store as they are: without a fact, and without an error
	Dialer  *kafka.Dialer // for TLS and SASL; nil dials in plain text
	// Currency is that of the programme: an invoice in another one is a dead letter.
	Currency string
	Store    Store
	Derive   models.DeriveFunc

	Workers   int           // transactions at a time; 2 when zero
	BatchSize int           // messages in one transaction at most; 2 000 when zero
	Linger    time.Duration // how long a batch may wait to fill; 20 ms when zero

	Log        *slog.Logger          // slog.Default when nil
	Registerer prometheus.Registerer // metrics are kept but not shown when nil
	Now        func() time.Time      // time.Now when nil

	Timing Timing
}

// Timing is the timeouts and limits that only tests change. Zero stands for the default.
type Timing struct {
	MaxWait        time.Duration // of a fetch on an idle topic; 500 ms
	AnswerTimeout  time.Duration // for the broker to answer beyond that; 10 s
	StopGrace      time.Duration // for the transaction in progress when partitions go; 5 s
	IngestTimeout  time.Duration // for one transaction; 2 min
	RetryMin       time.Duration // first wait after an error; 100 ms
	RetryMax       time.Duration // longest wait; 15 s
	StallAfter     time.Duration // after which a partition without progress counts as stalled, if messages wait; 2 min
	SessionTimeout time.Duration // after which the group gives a silent member's partitions away; 30 s
	Heartbeat      time.Duration // 3 s
	WatchTopics    time.Duration // how often to look for new partitions; 30 s
	InFlight       int64         // bytes of messages waiting to be stored, and about as much while fetching; 10 MiB
}

// stopReserve is what a stop may take beyond StopGrace: committing and leaving.
const stopReserve = 2 * time.Second

// allTopics is the topics that the group reads.
func (o *Options) allTopics() []string { return slices.Concat(o.Topics.All(), o.Raw) }

func (o Options) complete() (Options, error) {
	switch {
	case len(o.Brokers) == 0:
		return o, errors.New("consumer: no brokers; set kafka.brokers")
	case o.Group == "":
		return o, errors.New("consumer: no group; set kafka.group")
	case o.Store == nil || o.Derive == nil:
		return o, errors.New("consumer: Store and Derive are required")
	case o.Workers < 0 || o.BatchSize < 0 || o.Linger < 0:
		return o, errors.New("consumer: Workers, BatchSize and Linger must not be below zero")
	}
	if err := o.Topics.Validate(); err != nil {
		return o, err
	}
	o.Dialer = cmp.Or(o.Dialer, &kafka.Dialer{ClientID: "referral"})
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Registerer = cmp.Or[prometheus.Registerer](o.Registerer, prometheus.NewRegistry())
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Workers = cmp.Or(o.Workers, 2)
	o.BatchSize = cmp.Or(o.BatchSize, 2000)
	o.Linger = cmp.Or(o.Linger, 20*time.Millisecond)
	o.Timing.complete()
	return o, nil
}

func (t *Timing) complete() {
	t.MaxWait = cmp.Or(t.MaxWait, 500*time.Millisecond)
	t.AnswerTimeout = cmp.Or(t.AnswerTimeout, 10*time.Second)
	t.StopGrace = cmp.Or(t.StopGrace, 5*time.Second)
	t.IngestTimeout = cmp.Or(t.IngestTimeout, 2*time.Minute)
	t.RetryMin = cmp.Or(t.RetryMin, 100*time.Millisecond)
	t.RetryMax = cmp.Or(t.RetryMax, 15*time.Second)
	t.StallAfter = cmp.Or(t.StallAfter, 2*time.Minute)
	t.SessionTimeout = cmp.Or(t.SessionTimeout, 30*time.Second)
	t.Heartbeat = cmp.Or(t.Heartbeat, 3*time.Second)
	t.WatchTopics = cmp.Or(t.WatchTopics, 30*time.Second)
	t.InFlight = cmp.Or(t.InFlight, 10<<20)
}
