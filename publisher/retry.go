package publisher

import (
	"context"
	"errors"
	"time"

	"referral/internal/health"
	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// retrier retries, and turns each failure into a log line, a count and a reason for not
// being ready.
type retrier struct {
	*health.Tracker
	guard    *recovering.Guard
	metrics  *metrics
	min, max time.Duration // of the back-off
}

// task is what is being done: Kind is one of a few names, used by metrics; What says
// it in full to people.
type task struct{ Kind, What string }

// streamsTask is all that a session does; it fails as a whole when a part of it panics.
var streamsTask = task{Kind: doingStreams, What: "publishing"}

// retry does something until it succeeds or ctx is done, which then is the error. It is
// tried once even if ctx is already done.
func (r *retrier) retry(ctx context.Context, what task, do func(context.Context) error) error {
	waits := sleep.Backoff(r.min, r.max)
	for {
		err := r.guard.Do(func() error { return do(ctx) })
		if err == nil {
			r.Report(what.What, nil)
			return nil
		}
		stopped := ctx.Err() != nil
		if !stopped || !errors.Is(err, context.Cause(ctx)) {
			r.note(what, err)
		}
		if stopped || !sleep.Next(ctx, waits) {
			return context.Cause(ctx)
		}
	}
}

func (r *retrier) note(what task, err error) {
	r.metrics.errors.WithLabelValues(what.Kind).Inc()
	r.Report(what.What, models.NameRejection(err))
}
