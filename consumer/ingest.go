package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"referral/internal/sleep"
	"referral/internal/tracing"
	"referral/models"
)

// store stores the messages, and retries for as long as it takes. After several failures
// it tries fewer at a time, because a batch may be too large for something on the way to
// the database. A batch that the database refuses is halved until the refused message
// is found. An error means that the partitions have gone to another member.
func (w *worker) store(ctx, writing context.Context, batch []models.DecodedMessage) ([]models.Disposition, error) {
	all := make([]models.Disposition, 0, len(batch))
	wait := w.c.backoff()
	for len(batch) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := batch[:min(len(batch), w.batchSize.size)]
		dispositions, err := w.ingest(writing, part)
		switch {
		case err == nil:
			w.c.health.Report(w.subject, nil)
			w.batchSize.succeeds()
			all, batch, wait = append(all, dispositions...), batch[len(part):], w.c.backoff()
		case errors.Is(err, models.ErrRefused) && divisible(part):
			w.refuse(part, err)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("storing, while the partitions went: %w", err)
		default:
			pause, _ := wait.Next()
			if err := w.failed(ctx, part, pause, err); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// divisible tells whether a refused batch can be made smaller, or its message a dead
// letter. A dead letter that is refused can only be retried.
func divisible(batch []models.DecodedMessage) bool { return len(batch) > 1 || batch[0].Err == nil }

// refuse halves the next transaction, or makes the only message a dead letter.
func (w *worker) refuse(part []models.DecodedMessage, refusal error) {
	w.c.metrics.ingestErrors.WithLabelValues("refused").Inc()
	if len(part) == 1 {
		part[0].Fact, part[0].Err = nil, refused(refusal)
		return
	}
	w.batchSize.refuses(len(part))
}

// failed waits before the next try.
func (w *worker) failed(ctx context.Context, part []models.DecodedMessage, pause time.Duration, err error) error {
	smaller := w.batchSize.fails(len(part))
	w.c.metrics.ingestErrors.WithLabelValues("failed").Inc()
	w.c.health.Report(w.subject, err)
	w.c.log.ErrorContext(ctx, "storing failed; nothing is committed, trying again",
		"error", err, "messages", len(part), "fewer", smaller, "in", pause.String())
	if !sleep.For(ctx, pause) {
		return ctx.Err()
	}
	return nil
}

// refused is the error of a message that the database or the rules refuse. It leaves
// out the text of the error, because databases quote what they refuse.
func refused(err error) *models.InputError {
	detail := "the database refuses the data"
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		detail += " (SQLSTATE " + state.SQLState() + ")"
	}
	if errors.Is(err, errDerivePanic) {
		detail = "the rules stopped at it; the log has the place"
	}
	return &models.InputError{Reason: models.BadRefused, Detail: detail + "; replay it once the cause is removed"}
}

// ingest is one transaction, measured and with a timeout: without it, a database that
// does not answer would hold up the partitions unnoticed.
func (w *worker) ingest(ctx context.Context, batch []models.DecodedMessage) (dispositions []models.Disposition, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.c.o.Timing.IngestTimeout)
	defer cancel()
	began := w.c.o.Now()
	defer func() {
		tracing.Observe(ctx, w.c.metrics.ingestSeconds, w.c.o.Now().Sub(began).Seconds())
		w.c.metrics.batchMessages.Observe(float64(len(batch)))
	}()
	inRules := false
	derive := func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		inRules = true
		changes := w.c.o.Derive(set, facts)
		inRules = false
		return changes
	}
	err = w.c.guard.Do(func() (err error) {
		dispositions, err = w.c.o.Store.Ingest(ctx, batch, derive)
		return err
	})
	switch {
	case inRules: // a panic of the rules lies in the data, one of the storage does not
		return nil, fmt.Errorf("%w: %w", errDerivePanic, models.ErrRefused)
	case err == nil && len(dispositions) != len(batch):
		return nil, fmt.Errorf("%w: %d for %d", errShortAnswer, len(dispositions), len(batch))
	}
	return dispositions, err
}

// errDerivePanic marks a message for which the rules panic, as their assertions on money
// do.
var errDerivePanic = errors.New("the rules stopped with a panic")
