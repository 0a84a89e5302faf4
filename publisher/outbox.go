package publisher

import (
	"context"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"

	"referral/internal/tracing"
	"referral/models"
)

// outbox publishes rows of a table in their order, and marks them as published.
type outbox[T any] struct {
	*leaderSession
	name       string // of its rows, in the plural
	topic      string
	batch      int
	quarantine *quarantine
	buffer     *buffer
	left       int // rows that were not published last time

	read  func(ctx context.Context, limit int) ([]T, error)
	write func(buf *buffer, row *T, headers []kafka.Header, i int)
	row   func(row *T) entry
	done  func(ctx context.Context, ids []int64) error
}

// entry is what is said of a row that is sent or refused.
type entry struct {
	id       int64  // for the ledger
	hold     int64  // what to hold with it
	kind     string // for the metric
	document string // for people
	trace    string // context of the trace that a message continues; empty for none
}

// round publishes the rows that are there now. more says that there are more
// than one reading took.
func (o *outbox[T]) round(ctx context.Context) (more bool, err error) {
	o.quarantine.begin()
	// What is held is read every time, and must not crowd out the rest.
	limit := o.batch + o.left
	var rows []T
	err = o.ask(ctx, "reading the "+o.name, func(ctx context.Context) (err error) {
		rows, err = o.read(ctx, limit)
		return err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	sent, err := o.send(ctx, rows)
	o.left = len(rows) - len(sent)
	if len(sent) > 0 {
		if kept := o.keepDone(ctx, sent); err == nil {
			err = kept
		}
	}
	return len(rows) == limit, err
}

// send returns the identifiers of the rows that were sent.
func (o *outbox[T]) send(ctx context.Context, rows []T) (sent []int64, err error) {
	o.buffer.reset()
	var spans []tracing.Span
	defer func() {
		for _, span := range spans {
			span.End(err)
		}
	}()
	for i := range rows {
		e, headers := o.row(&rows[i]), o.headers
		if o.quarantine.blocks(e.hold) {
			continue
		}
		if e.trace != "" {
			traced, span := tracing.Start(ctx, tracing.Producer, "publish "+e.kind, tracing.Context(e.trace))
			headers, spans = o.traced(traced), append(spans, span)
		}
		o.write(o.buffer, &rows[i], headers, i)
	}
	messages := o.buffer.messages
	reusable, err := o.sender.send(ctx, o.topic, messages, func(l *message, err error) bool {
		e := o.row(&rows[l.row])
		return o.quarantine.refuse(e.hold, e.document, err)
	})
	for i := range messages {
		if !messages[i].sent {
			continue
		}
		e := o.row(&rows[messages[i].row])
		sent = append(sent, e.id)
		o.metrics.published.WithLabelValues(o.topic, e.kind).Inc()
		if !o.quarantine.blocks(e.hold) {
			o.quarantine.release(e.hold)
		}
	}
	if !reusable {
		o.buffer = &buffer{}
	}
	return sent, err
}

func (o *outbox[T]) keepDone(ctx context.Context, ids []int64) error {
	return o.keep(ctx, "marking "+o.name+" as published", func(ctx context.Context) error { return o.done(ctx, ids) })
}

// newEvents publishes events, those of an account in the order of Seq.
func newEvents(s *leaderSession) *outbox[models.OutboxEvent] {
	return &outbox[models.OutboxEvent]{
		leaderSession: s, name: streamEvents, topic: s.options.Topics.Events, batch: s.options.OutboxBatch,
		quarantine: s.newQuarantine(streamEvents), buffer: &buffer{},
		read: s.ledger.OutboxEvents,
		done: s.ledger.DropOutboxEvents,
		row: func(a *models.OutboxEvent) entry {
			return entry{id: a.Seq, hold: a.AccountID, kind: string(a.Type), document: a.ID.String(), trace: a.Trace}
		},
		write: func(buf *buffer, a *models.OutboxEvent, headers []kafka.Header, i int) {
			buf.add(a.AccountID, i, headers, func(dst []byte) ([]byte, error) { return s.encoder.AppendEvent(dst, a) })
		},
	}
}

// newDeadLetters publishes dead letters. They have no order among each other: each is
// held by itself.
func newDeadLetters(s *leaderSession) *outbox[models.DeadLetter] {
	return &outbox[models.DeadLetter]{
		leaderSession: s, name: streamDeadLetters, topic: s.options.Topics.DeadLetters, batch: s.options.DeadLetterBatch,
		quarantine: s.newQuarantine(streamDeadLetters), buffer: &buffer{},
		read: s.ledger.UnpublishedDeadLetters,
		done: func(ctx context.Context, ids []int64) error {
			return s.ledger.MarkDeadLettersPublished(ctx, ids, s.options.Now())
		},
		row: func(a *models.DeadLetter) entry {
			o := a.Message.Origin
			return entry{id: a.ID, hold: a.ID, kind: deadLetter, document: fmt.Sprintf("%s/%d/%d", o.Topic, o.Partition, o.Offset)}
		},
		write: func(buf *buffer, a *models.DeadLetter, _ []kafka.Header, i int) {
			buf.messages = append(buf.messages, message{
				key: a.Message.Key, value: a.Message.Value, headers: deadLetterHeaders(a), hold: a.ID, row: i,
			})
		},
	}
}

// deadLetterHeaders is the message's own headers and, after them, what is wrong with it
// and where it came from.
func deadLetterHeaders(a *models.DeadLetter) []kafka.Header {
	headers := make([]kafka.Header, 0, len(a.Message.Headers)+4)
	for _, h := range a.Message.Headers {
		headers = append(headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	origin := a.Message.Origin
	return append(headers,
		kafka.Header{Key: "error", Value: []byte(a.Err.Error())},
		kafka.Header{Key: "origin-topic", Value: []byte(origin.Topic)},
		kafka.Header{Key: "origin-partition", Value: []byte(strconv.Itoa(origin.Partition))},
		kafka.Header{Key: "origin-offset", Value: []byte(strconv.FormatInt(origin.Offset, 10))},
	)
}
