package workload

import (
	"context"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka sends messages to the topics of the program and learns the invitation codes from
// its events.
type Kafka struct {
	topics map[string]string
	client *kgo.Client
}

const (
	sendBatch       = 2000     // messages of one write
	largestMessages = 16 << 20 // room for a message over 1 MiB
)

// NewKafka is a client of the brokers. topics is the names of the topics by the keys of
// the configuration: those of [Topic], and "events".
func NewKafka(brokers []string, topics map[string]string) (*Kafka, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ProducerBatchMaxBytes(largestMessages),
		kgo.ConsumeTopics(topics["events"]), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, fmt.Errorf("prepare the workload's Kafka client: %w", err)
	}
	return &Kafka{topics: topics, client: client}, nil
}

// Close ends the connections.
func (k *Kafka) Close() { k.client.Close() }

// Send sends messages in their order, and counts them in sent.
func (k *Kafka) Send(ctx context.Context, sent *Summary, messages iter.Seq[Message]) error {
	return k.SendUntilError(ctx, sent, func(yield func(Message, error) bool) {
		messages(func(m Message) bool { return yield(m, nil) })
	})
}

// SendUntilError is Send for messages that may end with an error.
func (k *Kafka) SendUntilError(ctx context.Context, sent *Summary, messages iter.Seq2[Message, error]) error {
	var batch []*kgo.Record
	for m, err := range messages {
		if err != nil {
			return err
		}
		sent.Count(&m)
		record := &kgo.Record{Topic: k.topics[string(m.Topic)], Key: m.Key, Value: m.Value}
		for _, h := range m.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		if batch = append(batch, record); len(batch) == sendBatch {
			if err := k.produce(ctx, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	return k.produce(ctx, batch)
}

func (k *Kafka) produce(ctx context.Context, batch []*kgo.Record) error {
	if err := k.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		return fmt.Errorf("send the workload: %w", err)
	}
	return nil
}

// LearnCodes adds the codes that are issued, until ctx ends.
func (k *Kafka) LearnCodes(ctx context.Context, codes *Codes) error {
	for {
		fetches := k.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read the issued codes: %w", err)
		}
		for _, record := range fetches.Records() {
			if err := codes.Learn(record.Value); err != nil {
				return err
			}
		}
	}
}
