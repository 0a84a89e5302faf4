package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/internal/sleep"
	"referral/models"
)

// What one fetch asks for, in bytes: each partition may hold that much beside what
// its worker holds. A broker sends the first batch of records whole even when it
// is larger.
const (
	leastFetched = 256 << 10
	mostFetched  = 4 << 20
)

// fetchBytes shares out the memory for messages among the partitions.
func (t *Timing) fetchBytes(partitions int) int32 {
	return int32(min(mostFetched, max(leastFetched, t.InFlight/int64(max(1, partitions)))))
}

// partitionReader fetches and decodes one partition for its worker.
type partitionReader struct {
	topicPartition
	c           *Consumer
	connections *connections
	worker      *worker
	log         *slog.Logger
	position    *position

	bytes      int32   // to fetch at a time
	next       int64   // offset to fetch from
	id         topicID // of the topic that next belongs to
	noted      topicID // what the database has for it
	outOfRange bool    // the broker has no such offset

	// Read by the watchdog.
	moved   atomic.Int64 // when something last arrived or nothing was due, as UnixNano
	blocked atomic.Bool  // the worker has enough to do
}

// run reads the partition until ctx is done, on a new connection after every error.
func (r *partitionReader) run(ctx context.Context) {
	defer r.c.health.Report(r.name(), nil)
	r.progressed()
	wait := r.c.backoff()
	for ctx.Err() == nil {
		before := r.next
		err := r.c.guard.Do(func() error { return r.follow(ctx) })
		if ctx.Err() != nil {
			return
		}
		if r.outOfRange = errors.Is(err, kafka.OffsetOutOfRange); r.next != before {
			wait = r.c.backoff()
		}
		pause, _ := wait.Next()
		r.c.metrics.fetchErrors.WithLabelValues(r.topic).Inc()
		r.c.health.Report(r.name(), err)
		r.log.WarnContext(ctx, "fetching failed; connecting again", "error", err, "offset", r.next, "in", pause.String())
		sleep.For(ctx, pause)
	}
}

// follow fetches on one connection until that fails.
func (r *partitionReader) follow(ctx context.Context) error {
	conn, id, err := r.c.dialLeader(ctx, r.connections, r.topicPartition)
	if err != nil {
		return err
	}
	defer conn.close()
	if err := r.findStart(ctx, conn, id); err != nil {
		return err
	}
	for {
		if err := r.fetch(ctx, conn); err != nil {
			return err
		}
		r.c.health.Report(r.name(), nil)
	}
}

// fetch fetches the next records and passes them on.
func (r *partitionReader) fetch(ctx context.Context, conn *requester) error {
	part, err := conn.fetch(r.topicPartition, r.id, r.next, r.bytes, r.c.o.Timing.MaxWait)
	if err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	if err := r.sameTopic(conn, part); err != nil {
		return err
	}
	stable := part.LastStableOffset
	if stable < 0 { // a broker that knows no transactions
		stable = part.HighWatermark
	}
	r.position.heardEnd(r.c.o.Now(), part.HighWatermark)
	if err := r.deliverAll(ctx, part); err != nil {
		return err
	}
	r.position.heardStable(r.c.o.Now(), stable, r.next)
	if r.next >= stable {
		r.progressed()
	}
	return nil
}

// sameTopic makes sure, where a broker cannot be asked by the topic's id, that
// the records are of the topic that the offset belongs to.
func (r *partitionReader) sameTopic(conn *requester, part *kmsg.FetchResponseTopicPartition) error {
	if !r.id.known() || conn.fetchesByID() || len(part.RecordBatches) == 0 {
		return nil
	}
	now, err := conn.leader(r.topicPartition)
	if err == nil && now.id != r.id {
		err = kafka.UnknownTopicID
	}
	return err
}

// deliverAll passes on every record of a fetch that counts. It also moves the group's
// offset past what does not count at its end: records of aborted transactions and their
// markers.
func (r *partitionReader) deliverAll(ctx context.Context, part *kmsg.FetchResponseTopicPartition) error {
	began, handed := r.next, r.next
	batches := newFetched(r.topic, part, r.c.decompressor)
	for {
		records, behind, more, err := batches.next(r.next)
		if err != nil {
			return fmt.Errorf("reading the records at offset %d: %w", r.next, err)
		}
		if !more {
			break
		}
		for _, record := range records {
			if err := r.deliver(ctx, record); err != nil {
				return err
			}
			handed = r.next
		}
		r.next = max(r.next, behind)
	}
	switch {
	case r.next > handed:
		return r.enqueue(ctx, item{from: r, next: r.next, id: r.id, marker: true})
	case r.next == began && len(part.RecordBatches) > 0:
		return errNoProgress
	}
	return nil
}

// deliver decodes a record and passes it to the worker, once that has room.
func (r *partitionReader) deliver(ctx context.Context, record *kgo.Record) error {
	message := toMessage(record)
	next := record.Offset + 1
	r.position.fetched(next, message.At)
	delivery := r.c.decode(message)
	if err := r.enqueue(ctx, item{from: r, next: next, id: r.id, weight: weightOf(&message), delivery: delivery}); err != nil {
		return err
	}
	r.next = next
	return nil
}

// decode decodes a message. One for which the decoder panics becomes a dead letter, or
// it would stop the partition at every attempt.
func (c *Consumer) decode(m models.Message) (delivery models.DecodedMessage) {
	if slices.Contains(c.o.Raw, m.Origin.Topic) {
		return models.DecodedMessage{Message: m}
	}
	err := c.guard.Do(func() error {
		delivery = c.decodeMessage(m)
		return nil
	})
	if err != nil {
		return models.DecodedMessage{Message: m, Err: &models.InputError{Reason: models.BadUnreadable,
			Detail: "reading it stopped with a panic; the log has the place; replay it once the cause is removed"}}
	}
	return delivery
}

// enqueue passes an item to the worker, once that has room.
func (r *partitionReader) enqueue(ctx context.Context, i item) error {
	r.blocked.Store(true)
	defer r.blocked.Store(false)
	err := r.worker.enqueue(ctx, i)
	if err == nil {
		r.progressed()
	}
	return err
}

func (r *partitionReader) progressed() { r.moved.Store(r.c.o.Now().UnixNano()) }

// written is when a message was written. Producers set any time, and one without a year
// of four digits can be neither stored nor shown: it counts as unknown.
func written(at time.Time) time.Time {
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return time.Time{}
	}
	return at
}

func toMessage(record *kgo.Record) models.Message {
	message := models.Message{
		Origin: models.Origin{Topic: record.Topic, Partition: int(record.Partition), Offset: record.Offset},
		Key:    record.Key, Value: record.Value, At: written(record.Timestamp),
	}
	for _, h := range record.Headers {
		message.Headers = append(message.Headers, models.Header{Key: h.Key, Value: h.Value})
	}
	return message
}

// weightOf is about the memory of a message and its fact, in bytes.
func weightOf(m *models.Message) int64 {
	const overhead = 512
	return int64(overhead + len(m.Key) + 2*len(m.Value))
}
