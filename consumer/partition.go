package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
	"referral/models"
)

// fetchBytes is what one fetch asks for. A broker sends the first batch of
// records whole even when it is larger.
const fetchBytes = 4 << 20

// partitionReader fetches and decodes one partition and feeds its worker.
type partitionReader struct {
	c         *Consumer
	wires     *wires
	topic     string
	partition int
	worker    *worker
	log       *slog.Logger
	lag       prometheus.Gauge

	next       int64 // offset to fetch from
	outOfRange bool  // the broker has no such offset

	// What others look at.
	end     atomic.Int64 // offset behind the last message, as last heard
	taken   atomic.Int64 // offset behind the last message taken by the storage
	moved   atomic.Int64 // when something last arrived or nothing was due, as UnixNano
	blocked atomic.Bool  // the worker has enough to do
}

func newPartitionReader(c *Consumer, wires *wires, a assignment, w *worker) *partitionReader {
	partition := strconv.Itoa(a.partition)
	return &partitionReader{
		c: c, wires: wires, topic: a.topic, partition: a.partition, worker: w, next: a.offset,
		log: c.log.With("topic", a.topic, "partition", a.partition),
		lag: c.metrics.lag.WithLabelValues(a.topic, partition),
	}
}

func (r *partitionReader) labels() []string { return []string{r.topic, strconv.Itoa(r.partition)} }

func (r *partitionReader) name() string { return r.topic + "/" + strconv.Itoa(r.partition) }

// run follows the partition until ctx is done, on a new connection after every
// error: one that has gone wrong once is not trusted again.
func (r *partitionReader) run(ctx context.Context) {
	defer r.c.metrics.lag.DeleteLabelValues(r.labels()...)
	defer r.c.health.report(r.name(), nil)
	r.touch()
	wait := r.c.backoff()
	for ctx.Err() == nil {
		before := r.next
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if r.outOfRange = errors.Is(err, kafka.OffsetOutOfRange); r.next != before {
			wait = r.c.backoff()
		}
		pause, _ := wait.Next()
		r.c.metrics.fetchErrors.WithLabelValues(r.labels()...).Inc()
		r.c.health.report(r.name(), err)
		r.log.Warn("fetching failed; connecting anew", "error", err, "offset", r.next, "in", pause.String())
		sleep.For(ctx, pause)
	}
}

// follow fetches on one connection until that fails.
func (r *partitionReader) follow(ctx context.Context) error {
	conn, err := r.c.dialLeader(ctx, r.wires, r.topic, r.partition)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := r.locate(ctx, conn); err != nil {
		return err
	}
	for {
		if err := r.fetch(ctx, conn); err != nil {
			return err
		}
		r.c.health.report(r.name(), nil)
	}
}

// fetch asks for what comes next, waits a while for it, and passes it on.
func (r *partitionReader) fetch(ctx context.Context, conn *kafka.Conn) error {
	if err := r.extendDeadline(conn); err != nil {
		return err
	}
	batch := conn.ReadBatchWith(kafka.ReadBatchConfig{
		MinBytes: 1, MaxBytes: fetchBytes, MaxWait: r.c.o.Timing.MaxWait,
	})
	if batch.Err() == nil {
		r.heard(batch.HighWaterMark())
	}
	err := r.drain(ctx, conn, batch)
	if closeErr := batch.Close(); err == nil && !errors.Is(closeErr, kafka.RequestTimedOut) {
		err = closeErr
	}
	if err == nil {
		// Past the end of what compaction has left, the batch knows better.
		offset, _ := conn.Offset()
		r.next = max(r.next, offset)
	}
	if r.next >= r.end.Load() {
		r.touch()
	}
	return err
}

// drain passes on every message of a fetched batch. What kafka-go cannot parse
// makes it panic, which must not take the process with it.
func (r *partitionReader) drain(ctx context.Context, conn *kafka.Conn, batch *kafka.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the records at offset %d cannot be parsed (is the topic compacted?): %v", r.next, p)
		}
	}()
	for {
		m, err := batch.ReadMessage()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, kafka.RequestTimedOut):
			return nil
		case err != nil:
			return fmt.Errorf("fetching: %w", err)
		case m.Offset < r.next:
			continue // the beginning of a compressed batch, taken before
		}
		if err := r.pass(ctx, conn, m); err != nil {
			return err
		}
		r.next = m.Offset + 1
		r.touch()
	}
}

// pass reads a message and hands it to the worker, waiting until it has room.
func (r *partitionReader) pass(ctx context.Context, conn *kafka.Conn, m kafka.Message) error {
	message := toMessage(m)
	i := item{from: r, next: m.Offset + 1, weight: weightOf(&message)}
	if i.marker = IsControl(&message); i.marker {
		r.noteMarker(&message)
	} else {
		i.delivery = r.c.decoder.Decode(message)
	}
	return r.hand(ctx, conn, i)
}

// noteMarker counts the end of a transaction. An abort is a matter for people:
// kafka-go cannot tell the records that it takes back from the others.
func (r *partitionReader) noteMarker(m *models.Message) {
	kind := "commit"
	if aborts(m) {
		kind = "abort"
		r.log.Error("a producer has taken back a transaction, but its messages count as sent: "+
			"let it send events without transactions, and correct them by new ones", "offset", m.Origin.Offset)
	}
	r.c.metrics.controls.WithLabelValues(append(r.labels(), kind)...).Inc()
}

// hand waits for the worker's room without letting the connection time out.
func (r *partitionReader) hand(ctx context.Context, conn *kafka.Conn, i item) error {
	if r.worker.offer(i) {
		return nil
	}
	r.blocked.Store(true)
	defer r.blocked.Store(false)
	if err := r.worker.wait(ctx, i); err != nil {
		return err
	}
	r.touch()
	return r.extendDeadline(conn)
}

// extendDeadline gives the broker time again; sockets go by the real clock.
func (r *partitionReader) extendDeadline(conn *kafka.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(r.c.o.Timing.MaxWait + r.c.o.Timing.Patience)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	return nil
}

// heard notes where the partition ends.
func (r *partitionReader) heard(end int64) {
	r.end.Store(end)
	r.showLag()
}

// took notes how far the storage has got.
func (r *partitionReader) took(next int64) {
	r.taken.Store(next)
	r.showLag()
}

func (r *partitionReader) showLag() {
	r.lag.Set(float64(max(0, r.end.Load()-r.taken.Load())))
}

func (r *partitionReader) touch() { r.moved.Store(r.c.o.Now().UnixNano()) }

func toMessage(m kafka.Message) models.Message {
	message := models.Message{
		Origin: models.Origin{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset},
		Key:    m.Key, Value: m.Value, At: m.Time,
	}
	for _, h := range m.Headers {
		message.Headers = append(message.Headers, models.Header{Key: h.Key, Value: h.Value})
	}
	return message
}

// weightOf is about what a message and the fact made of it take in memory.
func weightOf(m *models.Message) int64 {
	const overhead = 512
	return int64(overhead + len(m.Key) + 2*len(m.Value))
}
