package portal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"referral/internal/recovering"
	"referral/internal/tracing"
	"referral/models"
)

const (
	// maxBatch bounds a batch, so that the next one does not wait long.
	maxBatch = 50
	// batchTimeout bounds the time of a batch, whether or not its clients still wait.
	batchTimeout = 15 * time.Second
)

// batcher stores codes that clients enter at the same time in one transaction, as the
// consumer does with messages: a transaction costs nearly the same for many as for
// one. A batch does not wait to fill: it is what arrived during the one before.
type batcher struct {
	store  Store
	derive models.DeriveFunc
	guard  *recovering.Guard

	mu      sync.Mutex
	waiting []*batchEntry
	running bool
}

// batchEntry is one fact of a batch, and its result.
type batchEntry struct {
	ctx      context.Context
	fact     *models.Fact
	done     chan struct{} // closed when decision or err is set
	decision models.Activation
	err      error
}

// submit stores a fact and returns its activation. When ctx ends before that, the
// fact may be stored all the same.
func (g *batcher) submit(ctx context.Context, fact *models.Fact) (models.Activation, error) {
	e := &batchEntry{ctx: ctx, fact: fact, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, e)
	if !g.running {
		g.running = true
		go g.run()
	}
	g.mu.Unlock()
	select {
	case <-e.done:
		return e.decision, e.err
	case <-ctx.Done():
		return models.Activation{}, fmt.Errorf("waiting for a decision: %w", ctx.Err())
	}
}

// run processes batches until none waits.
func (g *batcher) run() {
	for {
		batch := g.nextBatch()
		if batch == nil {
			return
		}
		// In the trace of one of the requests; what becomes of each code is in its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(batch[0].ctx), batchTimeout)
		g.process(ctx, batch)
		cancel()
		for _, e := range batch {
			close(e.done)
		}
	}
}

func (g *batcher) nextBatch() []*batchEntry {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*batchEntry
	for len(g.waiting) > 0 && len(batch) < maxBatch {
		e := g.waiting[0]
		g.waiting = g.waiting[1:]
		if e.ctx.Err() == nil { // otherwise its client has disconnected
			batch = append(batch, e)
		}
	}
	g.running = len(batch) > 0
	return batch
}

// process stores a batch, and then each entry alone if one of them may have made the
// whole batch fail.
func (g *batcher) process(ctx context.Context, batch []*batchEntry) {
	var decisions map[models.ActivationKey]models.Activation
	err := g.guard.Do(func() (err error) {
		decisions, err = g.transaction(ctx, batch)
		return err
	})
	switch {
	case err == nil:
		for _, e := range batch {
			e.err = g.guard.Do(func() (err error) {
				e.decision, err = g.decision(ctx, e.fact, decisions)
				return err
			})
		}
	case len(batch) > 1 && (errors.Is(err, models.ErrRefused) || errors.Is(err, recovering.ErrPanicked)):
		for _, e := range batch {
			g.process(ctx, []*batchEntry{e})
		}
	default:
		for _, e := range batch {
			e.err = err
		}
	}
}

func (g *batcher) transaction(ctx context.Context, batch []*batchEntry) (decisions map[models.ActivationKey]models.Activation, err error) {
	messages := make([]models.DecodedMessage, len(batch))
	for i, e := range batch {
		messages[i].Fact, messages[i].Message.Headers = e.fact, tracing.Headers(e.ctx)
	}
	_, err = g.store.Ingest(ctx, messages, func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		changes := g.derive(set, facts)
		decisions = map[models.ActivationKey]models.Activation{} // reset, because the transaction may be retried
		for _, a := range changes.Activations {
			decisions[a.Key()] = *a
		}
		return changes
	})
	if err != nil {
		return nil, fmt.Errorf("entering codes: %w", err)
	}
	return decisions, nil
}

// decision is the result of this batch or, for a repeated fact, the first one.
func (g *batcher) decision(ctx context.Context, fact *models.Fact, given map[models.ActivationKey]models.Activation) (models.Activation, error) {
	key := fact.Data.(models.ActivationRequested).Key()
	if v, ok := given[key]; ok {
		return v, nil
	}
	v, found, err := g.store.ActivationOutcome(ctx, key)
	if err == nil && !found {
		err = errors.New("entering codes: the code was stored without an activation")
	}
	return v, err
}
