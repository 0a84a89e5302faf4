package publisher

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
)

// Topics names where things go, one topic for each key of the configuration.
type Topics struct {
	Discounts   string
	Packages    string
	Events      string
	DeadLetters string
}

// Options is what a Publisher works with. Ledger, Brokers, Topics, Transport, Log,
// Registerer and Now are required; a zero elsewhere means the default.
type Options struct {
	Ledger  Ledger
	Brokers []string // host:port
	Topics  Topics
	// Transport carries TLS and SASL. It stays the caller's to close.
	Transport  *kafka.Transport
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
	Shadow     bool // no document is published, only events and dead letters

	PollInterval time.Duration // between looks for work, and for the lead; 500 ms
	BacklogEvery time.Duration // between readings of the backlog; 10 s
	RetryMin     time.Duration // back-off after a failure doubles from here; 100 ms
	RetryMax     time.Duration // to here; 10 s
	HeldRetryMin time.Duration // back-off of a held account doubles from here; 1 min
	HeldRetryMax time.Duration // to here; 15 min

	Workers         int               // chunks of one run in progress at once; 2
	ChunkBatch      int               // chunks listed at once; 64
	OutboxBatch     int               // events read at once; 2000
	DeadLetterBatch int               // dead letters read at once, each of which may be large; 64
	BatchBytes      int               // uncompressed, of one request with more than one message; 900 KB
	MaxMessage      int               // bytes; a larger message is refused unsent; 32 MiB
	MaxHeld         int               // held accounts; beyond it a refusal counts as a fault of the topic; 1000
	Compression     kafka.Compression // snappy
}

const (
	source        = "/referral"      // of every event, in the sense of CloudEvents
	ledgerTimeout = 30 * time.Second // of one call of the ledger
	writeTimeout  = 10 * time.Second // of one request to the broker
	requests      = 8                // on the way to the brokers at once
)

func (o *Options) validate() error {
	return errors.Join(
		missing(o.Ledger == nil, "Ledger"),
		missing(len(o.Brokers) == 0, "Brokers"),
		missing(o.Topics.Discounts == "", "Topics.Discounts"),
		missing(o.Topics.Packages == "", "Topics.Packages"),
		missing(o.Topics.Events == "", "Topics.Events"),
		missing(o.Topics.DeadLetters == "", "Topics.DeadLetters"),
		missing(o.Transport == nil, "Transport"),
		missing(o.Log == nil, "Log"),
		missing(o.Registerer == nil, "Registerer"),
		missing(o.Now == nil, "Now"),
	)
}

func missing(is bool, name string) error {
	if !is {
		return nil
	}
	return errors.New("publisher: option " + name + " is missing")
}

func (o *Options) withDefaults() Options {
	d := *o
	d.PollInterval = cmp.Or(o.PollInterval, 500*time.Millisecond)
	d.BacklogEvery = cmp.Or(o.BacklogEvery, 10*time.Second)
	d.RetryMin = cmp.Or(o.RetryMin, 100*time.Millisecond)
	d.RetryMax = cmp.Or(o.RetryMax, 10*time.Second)
	d.HeldRetryMin = cmp.Or(o.HeldRetryMin, time.Minute)
	d.HeldRetryMax = cmp.Or(o.HeldRetryMax, 15*time.Minute)
	d.Workers = cmp.Or(o.Workers, 2)
	d.ChunkBatch = cmp.Or(o.ChunkBatch, 64)
	d.OutboxBatch = cmp.Or(o.OutboxBatch, 2000)
	d.DeadLetterBatch = cmp.Or(o.DeadLetterBatch, 64)
	// A topic's max.message.bytes is 1 MiB by default and holds for a request's
	// batch as it is compressed: this fits even where nothing compresses.
	d.BatchBytes = cmp.Or(o.BatchBytes, 900_000)
	d.MaxMessage = cmp.Or(o.MaxMessage, 32<<20)
	d.MaxHeld = cmp.Or(o.MaxHeld, 1000)
	d.Compression = cmp.Or(o.Compression, kafka.Snappy)
	return d
}
