package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// partitionReader fetches and decodes one partition and feeds its worker.
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

	// What others look at.
	moved   atomic.Int64 // when something last arrived or nothing was due, as UnixNano
	blocked atomic.Bool  // the worker has enough to do
}

// run follows the partition until ctx is done, on a new connection after every
// error: one that has gone wrong once is not trusted again.
func (r *partitionReader) run(ctx context.Context) {
	defer r.c.health.Report(r.name(), nil)
	r.touch()
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
		r.log.Warn("fetching failed; connecting again", "error", err, "offset", r.next, "in", pause.String())
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

// fetch asks for what comes next, waits a while for it, and passes it on.
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
	r.position.ends(r.c.o.Now(), part.HighWatermark)
	if err := r.drain(ctx, part); err != nil {
		return err
	}
	r.position.settled(r.c.o.Now(), stable, r.next)
	if r.next >= stable {
		r.touch()
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

// drain passes on every record of a fetch that counts. What is left out at its
// end, records of aborted transactions and their markers, is passed by, so that
// the group's offset gets behind it too.
func (r *partitionReader) drain(ctx context.Context, part *kmsg.FetchResponseTopicPartition) error {
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
			if err := r.pass(ctx, record); err != nil {
				return err
			}
			handed = r.next
		}
		r.next = max(r.next, behind)
	}
	switch {
	case r.next > handed:
		return r.hand(ctx, item{from: r, next: r.next, id: r.id, marker: true})
	case r.next == began && len(part.RecordBatches) > 0:
		return errNoProgress
	}
	return nil
}

// pass reads a record and hands it to the worker, waiting until it has room.
func (r *partitionReader) pass(ctx context.Context, record *kgo.Record) error {
	message := toMessage(record)
	next := record.Offset + 1
	r.position.fetched(next, message.At)
	delivery := r.c.decode(message)
	if err := r.hand(ctx, item{from: r, next: next, id: r.id, weight: weightOf(&message), delivery: delivery}); err != nil {
		return err
	}
	r.next = next
	return nil
}

// decode reads a message. One that the decoder stops at with a panic is set
// aside: it would stop the partition at every try.
func (c *Consumer) decode(m models.Message) (delivery models.DecodedMessage) {
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

// hand waits for the worker's room.
func (r *partitionReader) hand(ctx context.Context, i item) error {
	r.blocked.Store(true)
	defer r.blocked.Store(false)
	err := r.worker.hand(ctx, i)
	if err == nil {
		r.touch()
	}
	return err
}

func (r *partitionReader) touch() { r.moved.Store(r.c.o.Now().UnixNano()) }

// written is when a message was written. Producers set that as they like, and what
// has no year of four digits can be neither stored nor shown: it counts as unknown.
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

// weightOf is about what a message and the fact made of it take in memory.
func weightOf(m *models.Message) int64 {
	const overhead = 512
	return int64(overhead + len(m.Key) + 2*len(m.Value))
}
