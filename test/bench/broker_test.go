package bench

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/test/kafkatest"
)

const (
	partitions = 4
	batchBytes = 900_000 // of a request, as the publisher has it
)

// broker is the real one that `make bench` starts.
type broker struct{ address string }

func newBroker(b *testing.B) *broker {
	b.Helper()
	return &broker{kafkatest.Address(b)}
}

// topics makes topics with names of their own, and deletes them at the end.
func (k *broker) topics(b *testing.B, keys ...string) map[string]string {
	b.Helper()
	suffix := "." + strings.ToLower(rand.Text()[:8])
	names := map[string]string{}
	var all []string
	for _, key := range keys {
		names[key] = "bench." + key + suffix
		all = append(all, names[key])
	}
	kafkatest.Create(b, partitions, nil, all...)
	for _, name := range all {
		for p := range partitions {
			conn, _ := kafkatest.Leader(b, name, p) // there is none for a moment
			_ = conn.Close()
		}
	}
	return names
}

// writer is kafka-go's own, set as the publisher sets its requests.
func (k *broker) writer(topic string) *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(k.address), Topic: topic, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		Compression: kafka.Snappy, BatchBytes: batchBytes, BatchSize: 100_000, BatchTimeout: 5 * time.Millisecond,
		Transport: &kafka.Transport{}, // one of its own, which remembers no topics of before
	}
}

// fill sends messages, a slab at a time.
func (k *broker) fill(b *testing.B, topic string, messages iter.Seq[kafka.Message]) {
	b.Helper()
	w := k.writer(topic)
	defer func() { _ = w.Close() }()
	const slab = 20_000
	waiting := make([]kafka.Message, 0, slab)
	flush := func() {
		if err := w.WriteMessages(context.Background(), waiting...); err != nil {
			b.Fatal(err)
		}
		waiting = waiting[:0]
	}
	for m := range messages {
		if waiting = append(waiting, m); len(waiting) == slab {
			flush()
		}
	}
	flush()
}

// read is what lies on a topic, with keys, values and headers only.
func (k *broker) read(b *testing.B, topic string, want int) []kafka.Message {
	b.Helper()
	var all []kafka.Message
	for partition := range partitions {
		all = append(all, k.readPartition(b, topic, partition)...)
	}
	if len(all) != want {
		b.Fatalf("topic %s holds %d messages, not %d", topic, len(all), want)
	}
	return all
}

func (k *broker) readPartition(b *testing.B, topic string, partition int) []kafka.Message {
	b.Helper()
	conn, end := kafkatest.Leader(b, topic, partition)
	defer func() { _ = conn.Close() }()
	messages := make([]kafka.Message, 0, end)
	for next := int64(0); next < end; next = int64(len(messages)) {
		batch := conn.ReadBatch(1, 8<<20)
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break // the next batch, or the check of the number, tells the rest
			}
			messages = append(messages, kafka.Message{Key: slices.Clone(m.Key), Value: slices.Clone(m.Value), Headers: m.Headers})
		}
		if err := batch.Close(); err != nil {
			b.Fatal(err)
		}
		if len(messages) == int(next) {
			b.Fatalf("reading topic %s stands still at offset %d of partition %d", topic, next, partition)
		}
	}
	return messages
}
