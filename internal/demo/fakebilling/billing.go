// Package fakebilling stands for billing in the demo and in tests: it books the
// adjustments and packages that the programme posts, each once, and answers.
package fakebilling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// answersAtOnce bounds a batch: what is fetched is kept in memory until it is
// answered.
const answersAtOnce = 500

// maxMessageBytes is more than any posting has.
const maxMessageBytes = 4 << 20

// Answer is what billing says to a posting.
type Answer struct {
	Status string // "applied" or "rejected"; empty is no answer at all
	Reason string // of a rejection
	Amount *int64 // booked, when it is not the amount posted
}

// Applied is the plain answer.
func Applied(Posting) Answer { return Answer{Status: "applied"} }

// Options is what a responder needs.
type Options struct {
	Brokers   []string
	Group     string               // consumer group
	Discounts string               // topic of the adjustments
	Packages  string               // topic of the packages
	Results   string               // topic of the answers
	Answer    func(Posting) Answer // nil applies everything
	Log       *slog.Logger         // nil is silent
}

func (o *Options) validate() error {
	if len(o.Brokers) == 0 || o.Group == "" || o.Discounts == "" || o.Packages == "" || o.Results == "" {
		return errors.New("fakebilling: brokers, group and the three topics are needed")
	}
	if o.Answer == nil {
		o.Answer = Applied
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Billing answers until it is stopped.
type Billing struct {
	o      Options
	reader *kafka.Reader
	writer *kafka.Writer
	stop   context.CancelFunc
	done   chan struct{}
	err    error // why it ended; read after done

	mu      sync.Mutex
	ledger  ledger
	changed chan struct{} // closed and replaced at each change of the ledger
}

// Start begins to answer everything on the topics, from their beginning unless
// the group has been there before. The topics must exist.
func Start(ctx context.Context, o Options) (*Billing, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Billing{
		o: o, stop: cancel, done: make(chan struct{}), changed: make(chan struct{}), ledger: newLedger(),
		reader: kafka.NewReader(kafka.ReaderConfig{
			Brokers: o.Brokers, GroupID: o.Group, GroupTopics: []string{o.Discounts, o.Packages},
			StartOffset: kafka.FirstOffset, MinBytes: 1, MaxBytes: maxMessageBytes, MaxWait: 500 * time.Millisecond,
			JoinGroupBackoff: 200 * time.Millisecond,
		}),
		writer: &kafka.Writer{
			Addr: kafka.TCP(o.Brokers...), Topic: o.Results, Balancer: kafka.Murmur2Balancer{},
			RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond, BatchSize: answersAtOnce,
		},
	}
	go r.run(ctx)
	return r, nil
}

// Stop ends the answering and says why it had ended before, if it had.
func (r *Billing) Stop() error {
	r.stop()
	<-r.done
	return r.err
}

func (r *Billing) run(ctx context.Context) {
	defer close(r.done)
	err := r.answerAll(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	r.err = errors.Join(err, r.writer.Close(), r.reader.Close())
	if r.err != nil {
		r.o.Log.Error("the fake billing has ended", "error", r.err)
	}
}

func (r *Billing) answerAll(ctx context.Context) error {
	fetched := make(chan kafka.Message, answersAtOnce)
	failed := make(chan error, 1)
	go func() {
		defer close(fetched)
		failed <- fetchInto(ctx, r.reader, fetched)
	}()
	for batch := range batches(fetched) {
		if err := r.answer(ctx, batch); err != nil {
			return err
		}
	}
	return <-failed
}

func fetchInto(ctx context.Context, reader *kafka.Reader, fetched chan<- kafka.Message) error {
	for {
		m, err := reader.FetchMessage(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetching postings: %w", err)
		}
		select {
		case fetched <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// batches groups what is there already, so that a flood is answered in few
// writes and a single posting at once.
func batches(in <-chan kafka.Message) func(yield func([]kafka.Message) bool) {
	return func(yield func([]kafka.Message) bool) {
		for first := range in {
			batch := append(make([]kafka.Message, 0, answersAtOnce), first)
			for len(batch) < answersAtOnce && len(in) > 0 {
				batch = append(batch, <-in)
			}
			if !yield(batch) {
				return
			}
		}
	}
}

// answer books a batch, answers it and only then commits it: what is read again
// after a crash is answered again, with the same events.
func (r *Billing) answer(ctx context.Context, batch []kafka.Message) error {
	var postings []Posting
	for i := range batch {
		p, err := readPosting(&batch[i])
		if err != nil {
			return fmt.Errorf("posting at %s/%d/%d: %w", batch[i].Topic, batch[i].Partition, batch[i].Offset, err)
		}
		postings = append(postings, p)
	}
	fresh, answers := r.decide(postings)
	if len(answers) > 0 {
		if err := r.writer.WriteMessages(ctx, answers...); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
	r.book(fresh, len(postings))
	if err := r.reader.CommitMessages(ctx, batch...); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}
