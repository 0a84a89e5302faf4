package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"referral/internal/sleep"
)

// trouble is the one place where a failure that may pass becomes a log line, a
// count and a reason for not being ready. It also waits and tries again.
type trouble struct {
	log      *slog.Logger
	metrics  *metrics
	min, max time.Duration // of the back-off

	mutex sync.Mutex
	now   map[string]failure // by what was being done
}

type failure struct {
	tries int
	err   error
}

// task is what is being done: Kind is one of a few names, for metrics; What says
// it in full, for people.
type task struct{ Kind, What string }

// retry does a thing until it succeeds, or until ctx is done, which is the error
// then. It is tried once even if ctx is done already.
func (t *trouble) retry(ctx context.Context, what task, do func(context.Context) error) error {
	for tries := 1; ; tries++ {
		err := do(ctx)
		if err == nil {
			t.clear(what)
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

func (t *trouble) note(what task, err error) {
	t.metrics.errors.WithLabelValues(what.Kind).Inc()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	f := failure{tries: t.now[what.What].tries + 1, err: err}
	t.now[what.What] = f
	if f.tries&(f.tries-1) == 0 { // ever more rarely, as the same line comes again
		t.log.Error("publishing fails, trying again", "doing", what.What, "tries", f.tries, "error", err)
	}
}

func (t *trouble) clear(what task) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if f, ok := t.now[what.What]; ok {
		delete(t.now, what.What)
		t.log.Info("publishing goes on", "doing", what.What, "tries", f.tries)
	}
}

// forget drops what was failing when the work was given up.
func (t *trouble) forget() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	clear(t.now)
}

// err names all that fails just now; nil when nothing does.
func (t *trouble) err() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(t.now)) {
		errs = append(errs, fmt.Errorf("publisher: %s: %w (tries: %d)", what, t.now[what].err, t.now[what].tries))
	}
	return errors.Join(errs...)
}

func backoff(tries int, low, high time.Duration) time.Duration {
	wait := low
	for i := 1; i < tries && wait < high; i++ {
		wait *= 2
	}
	return min(wait, high)
}
