package consumer

import (
	"context"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"referral/internal/sleep"
	"referral/internal/tracing"
	"referral/models"
)

// item is a message to be stored, or only an offset to be committed.
type item struct {
	from     *partitionReader
	next     int64 // offset to commit once it is stored
	weight   int64 // bytes
	id       topicID
	marker   bool // there is nothing to store
	delivery models.DecodedMessage
}

// worker writes the messages of its partitions, one batch at a time.
type worker struct {
	c         *Consumer
	subject   string // in the state of health
	queue     chan item
	room      *semaphore.Weighted // bytes that may still be held
	capacity  int64
	commits   *commits
	batchSize batchSize
	batch     []item // room for one, used again and again
}

func newWorker(c *Consumer, group groupMember, number int) *worker {
	most := max(1, c.o.Timing.InFlight/int64(c.o.Workers))
	return &worker{
		c: c, subject: onDatabase + " (worker " + strconv.Itoa(number+1) + ")",
		queue: make(chan item, c.o.BatchSize), room: semaphore.NewWeighted(most), capacity: most,
		commits: newCommits(c, group), batchSize: newBatchSize(c.o.BatchSize),
	}
}

// roomFor is the room that an item takes: one that is larger than the capacity takes
// all of it.
func (w *worker) roomFor(i item) int64 { return min(i.weight, w.capacity) }

// enqueue adds an item as soon as there is room.
func (w *worker) enqueue(ctx context.Context, i item) error {
	if err := w.room.Acquire(ctx, w.roomFor(i)); err != nil {
		return err
	}
	select {
	case w.queue <- i:
		return nil
	case <-ctx.Done():
		w.room.Release(w.roomFor(i))
		return ctx.Err()
	}
}

// run stores batch after batch until ctx is done. A transaction in progress then has
// StopGrace to finish and to be committed.
func (w *worker) run(ctx context.Context) {
	defer w.c.health.Report(w.subject, nil)
	writing, cancel := sleep.Outlast(ctx, w.c.o.Timing.StopGrace)
	defer cancel()
	defer w.commits.finish()
	for {
		batch := w.fill(ctx)
		if batch == nil {
			return
		}
		if err := w.process(ctx, writing, batch); err != nil {
			return
		}
	}
}

// fill waits for a first item and then for Linger for more, because a batch of one costs
// as much as one of hundreds. It returns nil when ctx is done.
func (w *worker) fill(ctx context.Context) []item {
	clear(w.batch) // or the stored messages would stay in memory
	batch := w.batch[:0]
	var full <-chan time.Time
	for len(batch) < w.c.o.BatchSize {
		select {
		case <-ctx.Done():
			return nil
		case <-full:
			return batch
		case <-w.commits.due():
			w.commits.flush()
		case a := <-w.commits.answers:
			w.commits.answered(a)
		case i := <-w.queue:
			if batch = append(batch, i); full == nil {
				full = time.After(w.c.o.Linger)
			}
			w.batch = batch
		}
	}
	return batch
}

// process stores a batch and commits its offsets. An error means that the partitions
// went to another member first: then nothing is committed.
func (w *worker) process(ctx, writing context.Context, batch []item) error {
	deliveries := make([]models.DecodedMessage, 0, len(batch))
	for i := range batch {
		if !batch[i].marker {
			deliveries = append(deliveries, batch[i].delivery)
		}
	}
	if len(deliveries) > 0 {
		ctx, span := tracing.Start(ctx, tracing.Consumer, "ingest messages", causes(ctx, deliveries)...)
		span.Number("messaging.batch.message_count", int64(len(deliveries)))
		dispositions, err := w.store(ctx, span.In(writing), deliveries)
		span.End(err)
		if err != nil {
			return err
		}
		w.count(ctx, deliveries, dispositions)
	}
	w.done(batch)
	w.commits.flush()
	return nil
}

// causes is the trace that each message belongs to.
func causes(ctx context.Context, batch []models.DecodedMessage) []tracing.Context {
	if !tracing.On(ctx) {
		return nil
	}
	all := make([]tracing.Context, len(batch))
	for i := range batch {
		all[i] = tracing.OfMessage(&batch[i].Message)
	}
	return all
}

// done gives the room back, and notes the last offset of each partition.
func (w *worker) done(batch []item) {
	var weight int64
	for i := range batch {
		weight += w.roomFor(batch[i])
		if i+1 == len(batch) || batch[i+1].from != batch[i].from {
			w.commits.add(batch[i])
		}
	}
	w.room.Release(weight)
}

// count counts what became of the messages.
func (w *worker) count(ctx context.Context, deliveries []models.DecodedMessage, dispositions []models.Disposition) {
	for i, became := range dispositions {
		if became == models.DeadLettered {
			w.logDeadLetter(ctx, &deliveries[i])
		}
		event := w.c.decoder.EventType(deliveries[i].Message.Origin.Topic)
		w.c.metrics.messages.WithLabelValues(event, string(became)).Inc()
	}
}

// logDeadLetter names the trace of the message, if it belongs to one and traces are
// recorded here.
func (w *worker) logDeadLetter(ctx context.Context, d *models.DecodedMessage) {
	if tracing.On(ctx) {
		ctx = tracing.Continue(ctx, tracing.OfMessage(&d.Message))
	}
	reason, detail := models.BadConflict, "another body under an identity that is already known"
	if d.Err != nil {
		reason, detail = d.Err.Reason, d.Err.Detail
	}
	w.c.metrics.deadLetters.WithLabelValues(string(reason)).Inc()
	origin := d.Message.Origin
	w.c.log.WarnContext(ctx, "a message became a dead letter", "reason", reason, "detail", detail,
		"topic", origin.Topic, "partition", origin.Partition, "offset", origin.Offset)
}

// errShortAnswer is a defect of the storage.
var errShortAnswer = errors.New("the storage did not answer for every message")
