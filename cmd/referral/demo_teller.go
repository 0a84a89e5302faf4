package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/cmd/referral/config"
	"referral/internal/demo/workload"
)

// teller sends what the clients live, and listens for the codes that they get.
type teller struct {
	config *config.Kafka
	writer *kafka.Writer
	events *kafka.Reader
}

func newTeller(c *config.Config) *teller {
	k := &c.Kafka
	return &teller{
		config: k,
		writer: &kafka.Writer{
			Addr: kafka.TCP(k.Brokers...), Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
			BatchTimeout: time.Millisecond, BatchSize: tellAtOnce, BatchBytes: 16 << 20,
		},
		events: kafka.NewReader(kafka.ReaderConfig{
			Brokers: k.Brokers, GroupID: "demo-crm", GroupTopics: []string{k.Topics.Events}, StartOffset: kafka.FirstOffset,
			MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 500 * time.Millisecond, JoinGroupBackoff: 200 * time.Millisecond,
		}),
	}
}

func (t *teller) close() error { return errors.Join(t.writer.Close(), t.events.Close()) }

// tellAtOnce bounds what is on its way to the broker at a time.
const tellAtOnce = 2000

func withoutErrors[T any](in iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range in {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// tell sends messages in their order, and counts them.
func (t *teller) tell(ctx context.Context, told *workload.Summary, messages iter.Seq2[workload.Message, error]) error {
	names := t.topicNames()
	var batch []kafka.Message
	send := func() error {
		err := t.writer.WriteMessages(ctx, batch...)
		batch = batch[:0]
		if err != nil {
			return fmt.Errorf("telling what the clients live: %w", err)
		}
		return nil
	}
	for m, err := range messages {
		if err != nil {
			return err
		}
		told.Count(&m)
		out := kafka.Message{Topic: names[m.Topic], Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		if batch = append(batch, out); len(batch) == tellAtOnce {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return send()
}

func (t *teller) topicNames() map[workload.Topic]string {
	n := &t.config.Topics
	return map[workload.Topic]string{
		workload.Registered: n.Registered, workload.PromoEnded: n.PromoEnded, workload.Terminated: n.Terminated,
		workload.Activation: n.Activation, workload.Invoices: n.Invoices, workload.Results: n.Results,
	}
}

// learn writes down the codes that are issued, until ctx ends.
func (t *teller) learn(ctx context.Context, codes *workload.Codes) error {
	for {
		m, err := t.events.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("listening for codes: %w", err)
		}
		if err := codes.Learn(m.Value); err != nil {
			return err
		}
	}
}

// demoPatience is how long the demo waits for any one thing before it says that
// something is wrong.
const demoPatience = 10 * time.Minute

// until polls a condition.
func until(ctx context.Context, what string, met func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, fmt.Errorf("gave up waiting for %s", what))
	defer cancel()
	for {
		ok, err := met()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (t *teller) awaitCodes(ctx context.Context, codes *workload.Codes, n int) error {
	return until(ctx, "the codes to be issued", func() (bool, error) { return codes.Known() >= n, nil })
}

// settled waits until everything told is consumed.
func (d *demo) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	return d.kafka().awaitConsumed(ctx)
}
