package e2e

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// message is one to be sent, on a topic by its config key.
type message struct {
	topic   string
	key     string
	value   []byte
	headers []kafka.Header
}

// send sends messages in their order, or lets w.deliver send them.
func (w *world) send(messages ...message) {
	w.t.Helper()
	switch {
	case len(messages) == 0:
	case w.deliver != nil:
		w.deliver(messages)
	default:
		w.write(messages)
	}
}

func (w *world) write(messages []message) {
	w.t.Helper()
	if err := w.tryWrite(messages); err != nil {
		w.t.Fatalf("sending %d messages: %v", len(messages), err)
	}
}

func (w *world) tryWrite(messages []message) error {
	out := make([]kafka.Message, len(messages))
	for i, m := range messages {
		headers := m.headers
		if headers == nil {
			headers = []kafka.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}
		}
		out[i] = kafka.Message{Topic: w.topics[m.topic], Key: []byte(m.key), Value: m.value, Headers: headers}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return w.writer.WriteMessages(ctx, out...)
}

// drained waits until the group has committed the end of every topic it reads.
func (w *world) drained() {
	w.t.Helper()
	w.until("consuming everything", func() (bool, string) {
		lag, err := w.lag()
		if err != nil {
			return false, err.Error()
		}
		return lag == 0, fmt.Sprintf("%d messages behind", lag)
	})
}

func (w *world) lag() (int64, error) {
	ends, err := w.ends(inputKeys()...)
	if err != nil {
		return 0, err
	}
	asked := map[string][]int{}
	for topic, of := range ends {
		for partition := range of {
			asked[topic] = append(asked[topic], partition)
		}
	}
	answer, err := w.client.OffsetFetch(w.t.Context(), &kafka.OffsetFetchRequest{GroupID: w.name, Topics: asked})
	if err = errors.Join(err, errorOf(answer)); err != nil {
		return 0, err
	}
	var lag int64
	for topic, of := range answer.Topics {
		for _, p := range of {
			if p.Error != nil {
				return 0, p.Error
			}
			lag += ends[topic][p.Partition] - max(p.CommittedOffset, 0)
		}
	}
	return lag, nil
}

func errorOf(answer *kafka.OffsetFetchResponse) error {
	if answer == nil {
		return nil
	}
	return answer.Error
}

// ends is the log ends of topics, by topic name and partition.
func (w *world) ends(keys ...string) (map[string]map[int]int64, error) {
	asked := map[string][]kafka.OffsetRequest{}
	for _, key := range keys {
		for p := range partitions {
			asked[w.topics[key]] = append(asked[w.topics[key]], kafka.LastOffsetOf(p))
		}
	}
	answer, err := w.client.ListOffsets(w.t.Context(), &kafka.ListOffsetsRequest{Topics: asked})
	if err != nil {
		return nil, err
	}
	ends := map[string]map[int]int64{}
	for topic, of := range answer.Topics {
		ends[topic] = map[int]int64{}
		for _, p := range of {
			if p.Error != nil {
				return nil, fmt.Errorf("end of %s/%d: %w", topic, p.Partition, p.Error)
			}
			ends[topic][p.Partition] = p.LastOffset
		}
	}
	return ends, nil
}

// published waits until the program has sent out all that it has to say.
func (w *world) published() {
	w.t.Helper()
	w.until("publishing everything", func() (bool, string) {
		var events, chunks, letters int
		err := w.db.QueryRow(w.t.Context(), `SELECT
			(SELECT count(*) FROM outbox),
			(SELECT count(*) FROM run_chunks WHERE posted_at IS NOT NULL AND published_at IS NULL AND NOT shadow)
				+ (SELECT count(*) FROM document_resends WHERE published_at IS NULL),
			(SELECT count(*) FROM dead_letters WHERE published_at IS NULL)`).Scan(&events, &chunks, &letters)
		if err != nil {
			return false, err.Error()
		}
		return events+chunks+letters == 0, fmt.Sprintf("%d events, %d chunks and %d dead letters wait", events, chunks, letters)
	})
}

// topicReader reads a topic from its beginning, once and for all.
type topicReader struct {
	w       *world
	key     string
	next    [partitions]int64
	records []record
}

// record is a message as a reader of a topic sees it.
type record struct {
	kafka.Message
	header map[string]string
}

// records is everything on an output topic so far, by partition in order.
func (w *world) records(key string) []record {
	w.t.Helper()
	if w.taps[key] == nil {
		w.taps[key] = &topicReader{w: w, key: key}
	}
	var ends map[string]map[int]int64
	w.until("finding the end of "+key, func() (bool, string) {
		var err error
		ends, err = w.ends(key)
		return err == nil, fmt.Sprint(err)
	})
	for p, end := range ends[w.topics[key]] {
		w.taps[key].read(p, end)
	}
	return w.taps[key].records
}

func (t *topicReader) read(partition int, end int64) {
	t.w.t.Helper()
	if t.next[partition] >= end {
		return
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: t.w.servers.brokers(), Topic: t.w.topics[t.key], Partition: partition,
		MinBytes: 1, MaxBytes: 32 << 20, MaxWait: 500 * time.Millisecond,
	})
	defer func() { _ = reader.Close() }() // what it has read is in memory
	ctx, cancel := context.WithTimeout(t.w.t.Context(), patience)
	defer cancel()
	if err := reader.SetOffset(t.next[partition]); err != nil {
		t.w.t.Fatal(err)
	}
	for t.next[partition] < end {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.w.t.Fatalf("reading %s, partition %d, at %d of %d: %v", t.key, partition, t.next[partition], end, err)
		}
		t.next[partition] = m.Offset + 1
		r := record{Message: m, header: map[string]string{}}
		for _, h := range m.Headers {
			r.header[h.Key] = string(h.Value)
		}
		t.records = append(t.records, r)
	}
}
