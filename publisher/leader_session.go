package publisher

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"referral/internal/sleep"
	"referral/internal/tracing"
)

// leaderSession is the time during which this replica leads. What it learns, such as
// which accounts are held, ends with it: the next leader finds out for itself, at the price of
// repeating some messages.
type leaderSession struct {
	options Options
	ledger  Ledger
	log     *slog.Logger
	metrics *metrics
	retrier *retrier
	sender  *sender
	encoder *Encoder
	headers []kafka.Header

	quarantines []*quarantine
	incomplete  *incompleteChunks
}

// traced is the headers of a message with the span of ctx.
func (s *leaderSession) traced(ctx context.Context) []kafka.Header {
	headers := slices.Clip(s.headers)
	for _, h := range tracing.Headers(ctx) {
		headers = append(headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return headers
}

// stream is one kind of thing that is published. None waits for another.
type stream interface {
	round(ctx context.Context) (more bool, err error)
}

const streams = 3

func (s *leaderSession) streams() [streams]stream {
	return [streams]stream{newDocuments(s), newEvents(s), newDeadLetters(s)}
}

// publishUntilDone publishes until ctx is done, and looks for more at every interval.
func (s *leaderSession) publishUntilDone(ctx context.Context) error {
	var waiting atomic.Int32 // for the first round of a stream
	waiting.Store(int32(streams))
	return s.each(ctx, func(ctx context.Context, work stream) error {
		for first := true; ; first = false {
			more, err := work.round(ctx)
			if err != nil {
				return err
			}
			if first && waiting.Add(-1) == 0 {
				s.retrier.Report(streamsTask.What, nil)
			}
			if !more && !sleep.For(ctx, s.options.PollInterval) {
				return context.Cause(ctx)
			}
		}
	})
}

// publishOnce publishes what is there now. The error names what is held.
func (s *leaderSession) publishOnce(ctx context.Context) error {
	err := s.each(ctx, func(ctx context.Context, work stream) error {
		for {
			more, err := work.round(ctx)
			if err != nil || !more {
				return err
			}
		}
	})
	return errors.Join(err, s.held())
}

func (s *leaderSession) each(ctx context.Context, do func(context.Context, stream) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, work := range s.streams() {
		group.Go(func() error { return s.retrier.guard.Do(func() error { return do(ctx, work) }) })
	}
	return group.Wait()
}

func (s *leaderSession) newQuarantine(stream string) *quarantine {
	q := &quarantine{
		stream: stream, now: s.options.Now, log: s.log,
		min: s.options.HeldRetryMin, max: s.options.HeldRetryMax, most: s.options.MaxHeld,
		count: s.metrics.held.WithLabelValues(stream), named: s.metrics.heldNames,
		held: map[int64]*heldItem{},
	}
	s.quarantines = append(s.quarantines, q)
	return q
}

func (s *leaderSession) held() error {
	errs := s.incomplete.errs()
	for _, q := range s.quarantines {
		errs = append(errs, q.errs()...)
	}
	return errors.Join(errs...)
}

// end forgets what the session has learned.
func (s *leaderSession) end() {
	for _, q := range s.quarantines {
		q.drop()
	}
	s.incomplete.drop()
	s.retrier.Forget()
}

// ask calls the ledger until it answers.
func (s *leaderSession) ask(ctx context.Context, what string, call func(context.Context) error) error {
	return s.retrier.retry(ctx, task{Kind: doingLedger, What: what}, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
		defer cancel()
		return call(ctx)
	})
}

// keep records in the ledger that messages are published, even when ctx is done: it stays
// true when another replica leads.
func (s *leaderSession) keep(ctx context.Context, what string, call func(context.Context) error) error {
	return s.retrier.retry(ctx, task{Kind: doingLedger, What: what}, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTimeout)
		defer cancel()
		return call(ctx)
	})
}
