package cabinet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"referral/internal/recovering"
	"referral/models"
)

const (
	// gatherAtMost bounds a batch: what waits behind it must not wait long.
	gatherAtMost = 50
	// gatherPatience bounds what a batch may take, whoever still waits for it.
	gatherPatience = 15 * time.Second
)

// gatherer has the codes that clients enter at one moment taken in one
// transaction, as the consumer does with what comes over Kafka: a transaction
// costs nearly the same for many as for one. Nobody waits for a batch to fill:
// while one is under way, the next gathers.
type gatherer struct {
	intake Intake
	derive Derive
	guard  *recovering.Guard // of the rules, which may stop with a panic, and the storage

	mu      sync.Mutex
	waiting []*entered
	busy    bool
}

// entered is a code on its way in.
type entered struct {
	ctx  context.Context
	fact *models.Fact
	done chan struct{} // closed when the rest is there

	verdict models.Activation
	err     error
}

// take is the verdict on a fact. When ctx ends before that the fact may be taken
// all the same.
func (g *gatherer) take(ctx context.Context, fact *models.Fact) (models.Activation, error) {
	e := &entered{ctx: ctx, fact: fact, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, e)
	if !g.busy {
		g.busy = true
		go g.run()
	}
	g.mu.Unlock()
	select {
	case <-e.done:
		return e.verdict, e.err
	case <-ctx.Done():
		return models.Activation{}, fmt.Errorf("waiting for a verdict: %w", ctx.Err())
	}
}

// run takes batches until nobody waits.
func (g *gatherer) run() {
	for {
		batch := g.next()
		if batch == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), gatherPatience)
		g.takeAll(ctx, batch)
		cancel()
		for _, e := range batch {
			close(e.done)
		}
	}
}

func (g *gatherer) next() []*entered {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*entered
	for len(g.waiting) > 0 && len(batch) < gatherAtMost {
		e := g.waiting[0]
		g.waiting = g.waiting[1:]
		if e.ctx.Err() == nil { // or nobody waits for it any more, and nothing has been done
			batch = append(batch, e)
		}
	}
	g.busy = len(batch) > 0
	return batch
}

// takeAll takes a batch, and each of it alone when one may be to blame for all.
func (g *gatherer) takeAll(ctx context.Context, batch []*entered) {
	var verdicts map[models.ActivationKey]models.Activation
	err := g.guard.Do(func() (err error) {
		verdicts, err = g.transaction(ctx, batch)
		return err
	})
	switch {
	case err == nil:
		for _, e := range batch {
			e.err = g.guard.Do(func() (err error) {
				e.verdict, err = g.verdict(ctx, e.fact, verdicts)
				return err
			})
		}
	case len(batch) > 1 && (errors.Is(err, models.ErrRefused) || errors.Is(err, recovering.ErrPanicked)):
		for _, e := range batch {
			g.takeAll(ctx, []*entered{e})
		}
	default:
		for _, e := range batch {
			e.err = err
		}
	}
}

func (g *gatherer) transaction(ctx context.Context, batch []*entered) (verdicts map[models.ActivationKey]models.Activation, err error) {
	deliveries := make([]models.Delivery, len(batch))
	for i, e := range batch {
		deliveries[i].Fact = e.fact
	}
	_, err = g.intake.Take(ctx, deliveries, func(set *models.WorkingSet, facts []*models.Fact) models.Changes {
		changes := g.derive(set, facts)
		verdicts = map[models.ActivationKey]models.Activation{} // anew: the transaction may be repeated
		for _, a := range changes.Activations {
			verdicts[a.Key()] = *a
		}
		return changes
	})
	if err != nil {
		return nil, fmt.Errorf("entering codes: %w", err)
	}
	return verdicts, nil
}

// verdict is the one that was just given, or the one of the first time.
func (g *gatherer) verdict(ctx context.Context, fact *models.Fact, given map[models.ActivationKey]models.Activation) (models.Activation, error) {
	key := fact.Data.(models.ActivationRequested).Key()
	if v, ok := given[key]; ok {
		return v, nil
	}
	v, found, err := g.intake.VerdictOn(ctx, key)
	if err == nil && !found {
		err = errors.New("entering a code: it was taken, and made no request")
	}
	return v, err
}
