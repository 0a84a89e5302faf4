package workload

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/segmentio/kafka-go"
)

// Kafka sends messages to the topics of the program and learns the invitation codes from
// its events.
type Kafka struct {
	topics map[string]string
	writer *kafka.Writer
	events *kafka.Reader
}

// sendBatch limits the messages of one write.
const sendBatch = 2000

// NewKafka is a client of the brokers. topics is the names of the topics by the keys of
// the configuration: those of [Topics], and "events".
func NewKafka(brokers []string, topics map[string]string) *Kafka {
	return &Kafka{
		topics: topics,
		writer: &kafka.Writer{
			Addr: kafka.TCP(brokers...), Balancer: kafka.Murmur2Balancer{Consistent: true}, RequiredAcks: kafka.RequireAll,
			BatchTimeout: time.Millisecond, BatchSize: sendBatch, BatchBytes: 16 << 20,
		},
		events: kafka.NewReader(kafka.ReaderConfig{
			Brokers: brokers, GroupID: "demo-crm", GroupTopics: []string{topics["events"]}, StartOffset: kafka.FirstOffset,
			MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 500 * time.Millisecond, JoinGroupBackoff: 200 * time.Millisecond,
		}),
	}
}

// Close ends both.
func (k *Kafka) Close() error { return errors.Join(k.writer.Close(), k.events.Close()) }

// Send sends messages in their order, and counts them in sent.
func (k *Kafka) Send(ctx context.Context, sent *Summary, messages iter.Seq[Message]) error {
	return k.SendUntilError(ctx, sent, func(yield func(Message, error) bool) {
		messages(func(m Message) bool { return yield(m, nil) })
	})
}

// SendUntilError is Send for messages that may end with an error.
func (k *Kafka) SendUntilError(ctx context.Context, sent *Summary, messages iter.Seq2[Message, error]) error {
	var batch []kafka.Message
	for m, err := range messages {
		if err != nil {
			return err
		}
		sent.Count(&m)
		out := kafka.Message{Topic: k.topics[string(m.Topic)], Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		if batch = append(batch, out); len(batch) == sendBatch {
			if err := k.writer.WriteMessages(ctx, batch...); err != nil {
				return fmt.Errorf("sending the workload: %w", err)
			}
			batch = batch[:0]
		}
	}
	if err := k.writer.WriteMessages(ctx, batch...); err != nil {
		return fmt.Errorf("sending the workload: %w", err)
	}
	return nil
}

// LearnCodes adds the codes that are issued, until ctx ends.
func (k *Kafka) LearnCodes(ctx context.Context, codes *Codes) error {
	for {
		m, err := k.events.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("reading the issued codes: %w", err)
		}
		if err := codes.Learn(m.Value); err != nil {
			return err
		}
	}
}
