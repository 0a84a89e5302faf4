package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"referral/internal/sleep"
	"referral/models"
)

// store takes the deliveries, whatever it takes: it waits out failures, and
// divides a batch that the database refuses until the one to blame is found.
// An error means that the partitions have gone.
func (w *worker) store(ctx, writing context.Context, batch []models.Delivery) ([]models.Disposition, error) {
	wait := w.c.backoff()
	for len(batch) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		dispositions, err := w.take(writing, batch)
		switch {
		case err == nil:
			w.c.health.report(w.subject, nil)
			return dispositions, nil
		case errors.Is(err, models.ErrRefused) && divisible(batch):
			return w.divide(ctx, writing, batch, err)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("storing, while the partitions went: %w", err)
		}
		pause, _ := wait.Next()
		w.c.metrics.takeErrors.WithLabelValues("failed").Inc()
		w.c.health.report(w.subject, err)
		w.c.log.Error("storing failed; nothing is committed, trying the same batch again",
			"error", err, "messages", len(batch), "in", pause.String())
		if !sleep.For(ctx, pause) {
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// divisible tells whether dividing may help: a fault that is refused even as
// such can only be waited for.
func divisible(batch []models.Delivery) bool { return len(batch) > 1 || batch[0].Fault == nil }

// divide stores the halves of a refused batch, or sets aside its only message.
func (w *worker) divide(ctx, writing context.Context, batch []models.Delivery, refusal error) ([]models.Disposition, error) {
	w.c.metrics.takeErrors.WithLabelValues("refused").Inc()
	if len(batch) == 1 {
		batch[0].Fact, batch[0].Fault = nil, refused(refusal)
		return w.store(ctx, writing, batch)
	}
	half := len(batch) / 2
	first, err := w.store(ctx, writing, batch[:half])
	if err != nil {
		return nil, err
	}
	second, err := w.store(ctx, writing, batch[half:])
	return append(first, second...), err
}

// refused is the fault of a message that the database or the rules stop at. The
// error's own text stays out of it, for databases quote what they refuse.
func refused(err error) *models.Fault {
	detail := "the database refuses the data"
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		detail += " (SQLSTATE " + state.SQLState() + ")"
	}
	if errors.Is(err, errDerivePanic) {
		detail = "the rules stopped at it; the log has the place"
	}
	return &models.Fault{Reason: models.BadRefused, Detail: detail + "; replay it once the cause is removed"}
}

// take is one transaction, measured and bounded: a database that falls silent
// would otherwise hold its partitions for ever, and nobody would notice.
func (w *worker) take(ctx context.Context, batch []models.Delivery) (dispositions []models.Disposition, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.c.o.Timing.TakeTimeout)
	defer cancel()
	began := w.c.o.Now()
	defer func() {
		w.c.metrics.takeSeconds.Observe(w.c.o.Now().Sub(began).Seconds())
		w.c.metrics.batchSize.Observe(float64(len(batch)))
	}()
	defer func() {
		if p := recover(); p != nil {
			err = w.panicked(p)
		}
	}()
	dispositions, err = w.c.o.Store.Take(ctx, batch, w.derive)
	if err == nil && len(dispositions) != len(batch) {
		err = fmt.Errorf("%w: %d for %d", errShortAnswer, len(dispositions), len(batch))
	}
	return dispositions, err
}

// errDerivePanic marks a message at which the rules stopped with a panic, as
// their assertions on money do.
var errDerivePanic = errors.New("the rules stopped with a panic")

type derivePanic struct{ value any }

// derive marks a panic of the rules, which lies in the data, from one of the
// storage, which does not.
func (w *worker) derive(set *models.WorkingSet, facts []*models.Fact) models.Changes {
	defer func() {
		if p := recover(); p != nil {
			w.c.log.Error("the rules stopped with a panic", "stack", string(debug.Stack()))
			panic(derivePanic{p})
		}
	}()
	return w.c.o.Derive(set, facts)
}

func (w *worker) panicked(p any) error {
	if _, ok := p.(derivePanic); ok {
		return fmt.Errorf("%w: %w", errDerivePanic, models.ErrRefused)
	}
	w.c.log.Error("the storage stopped with a panic", "stack", string(debug.Stack()))
	return errors.New("the storage stopped with a panic; the log has the place")
}
