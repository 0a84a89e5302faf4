package publisher

import (
	"context"
	"errors"
	"time"

	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/internal/trouble"
	"referral/models"
)

// troubles is the one place where a failure that may pass becomes a log line, a
// count and a reason for not being ready. It also waits and tries again.
type troubles struct {
	*trouble.Board
	guard    *recovering.Guard
	metrics  *metrics
	min, max time.Duration // of the back-off
}

// task is what is being done: Kind is one of a few names, for metrics; What says
// it in full, for people.
type task struct{ Kind, What string }

// streamsTask is all that a shift does; it fails as a whole when a part of it panics.
var streamsTask = task{Kind: doingStreams, What: "publishing"}

// retry does a thing until it succeeds, or until ctx is done, which is the error
// then. It is tried once even if ctx is done already.
func (t *troubles) retry(ctx context.Context, what task, do func(context.Context) error) error {
	for tries := 1; ; tries++ {
		err := t.guard.Do(func() error { return do(ctx) })
		if err == nil {
			t.Clear(what.What)
			return nil
		}
		stopped := ctx.Err() != nil
		if !stopped || !errors.Is(err, context.Cause(ctx)) {
			t.note(what, err)
		}
		if stopped || !sleep.For(ctx, backoff(tries, t.min, t.max)) {
			return context.Cause(ctx)
		}
	}
}

func (t *troubles) note(what task, err error) {
	t.metrics.errors.WithLabelValues(what.Kind).Inc()
	t.Note(what.What, models.NameRejection(err))
}

func backoff(tries int, low, high time.Duration) time.Duration {
	wait := low
	for i := 1; i < tries && wait < high; i++ {
		wait *= 2
	}
	return min(wait, high)
}
