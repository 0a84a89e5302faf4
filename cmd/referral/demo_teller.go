package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/demo/clients"
)

// teller sends what the clients live, and listens for the codes that they get.
type teller struct {
	config *KafkaConfig
	writer *kafka.Writer
	client *kafka.Client
	events *kafka.Reader
}

func newTeller(c *Config) *teller {
	k := &c.Kafka
	return &teller{
		config: k,
		writer: &kafka.Writer{
			Addr: kafka.TCP(k.Brokers...), Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
			BatchTimeout: time.Millisecond, BatchSize: tellAtOnce, BatchBytes: 16 << 20,
		},
		client: &kafka.Client{Addr: kafka.TCP(k.Brokers...), Timeout: kafkaTimeout},
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
func (t *teller) tell(ctx context.Context, told *clients.Summary, messages iter.Seq2[clients.Message, error]) error {
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

func (t *teller) topicNames() map[clients.Topic]string {
	n := &t.config.Topics
	return map[clients.Topic]string{
		clients.Registered: n.Registered, clients.PromoEnded: n.PromoEnded, clients.Terminated: n.Terminated,
		clients.Activation: n.Activation, clients.Invoices: n.Invoices, clients.Results: n.Results,
	}
}

// learn writes down the codes that are issued, until ctx ends.
func (t *teller) learn(ctx context.Context, codes *clients.CodeBook) error {
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

func (t *teller) awaitCodes(ctx context.Context, codes *clients.CodeBook, n int) error {
	return until(ctx, "the codes to be issued", func() (bool, error) { return codes.Known() >= n, nil })
}

// consumed tells whether the program's group has committed all that its topics
// hold.
func (t *teller) consumed(ctx context.Context) (bool, error) {
	names := t.topicNames()
	ends := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	commits := &kafka.OffsetFetchRequest{GroupID: t.config.Group, Topics: map[string][]int{}}
	for _, name := range names {
		for p := range demoPartitions {
			ends.Topics[name] = append(ends.Topics[name], kafka.LastOffsetOf(p))
			commits.Topics[name] = append(commits.Topics[name], p)
		}
	}
	end, err := t.client.ListOffsets(ctx, ends)
	if err != nil {
		return false, fmt.Errorf("asking where the topics end: %w", err)
	}
	done, err := t.client.OffsetFetch(ctx, commits)
	if err != nil {
		return false, fmt.Errorf("asking what is consumed: %w", err)
	}
	committed := map[string]map[int]int64{}
	for name, partitions := range done.Topics {
		committed[name] = map[int]int64{}
		for _, p := range partitions {
			committed[name][p.Partition] = p.CommittedOffset
		}
	}
	for name, partitions := range end.Topics {
		for _, p := range partitions {
			if p.LastOffset > 0 && committed[name][p.Partition] < p.LastOffset {
				return false, nil
			}
		}
	}
	return true, nil
}

// settled waits until everything told is consumed.
func (d *demo) settled(ctx context.Context) error {
	return until(ctx, "the messages to be consumed", func() (bool, error) { return d.teller.consumed(ctx) })
}
