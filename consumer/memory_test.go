package consumer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"referral/models"
)

// memory is a storage that forgets nothing: it applies every fact once, by what it
// says, and sets faults aside.
type memory struct {
	before func(ctx context.Context, batch []models.DecodedMessage) error // fails the transaction
	after  func() error                                                   // loses the answer of one that was committed

	mu      sync.Mutex
	known   map[string]bool
	applied []*models.Fact          // in order of application
	aside   []models.DecodedMessage // in order, once for each place
	places  map[models.Origin]bool
	sizes   []int // of the batches
	topics  map[string]string
}

func newMemory() *memory {
	return &memory{known: map[string]bool{}, topics: map[string]string{}, places: map[models.Origin]bool{}}
}

func (m *memory) Ingest(ctx context.Context, batch []models.DecodedMessage,
	derive func(*models.WorkingSet, []*models.Fact) models.Changes) ([]models.Disposition, error) {
	if m.before != nil {
		if err := m.before(ctx, batch); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	derive(models.NewWorkingSet(), factsOf(batch))
	out := m.apply(batch)
	if m.after != nil {
		if err := m.after(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *memory) TopicIDs(context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.topics), nil
}

func (m *memory) RecordTopicID(_ context.Context, topic, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.topics[topic] = id
	return nil
}

func factsOf(batch []models.DecodedMessage) []*models.Fact {
	var facts []*models.Fact
	for _, d := range batch {
		if d.Fact != nil {
			facts = append(facts, d.Fact)
		}
	}
	return facts
}

func (m *memory) apply(batch []models.DecodedMessage) []models.Disposition {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sizes = append(m.sizes, len(batch))
	var out []models.Disposition
	for _, d := range batch {
		out = append(out, m.applyOne(d))
	}
	return out
}

func (m *memory) applyOne(d models.DecodedMessage) models.Disposition {
	switch {
	case d.Err != nil:
		if !m.places[d.Message.Origin] {
			m.places[d.Message.Origin] = true
			m.aside = append(m.aside, d)
		}
		return models.DeadLettered
	case m.known[saidBy(d.Fact)]:
		return models.Repeated
	}
	m.known[saidBy(d.Fact)] = true
	m.applied = append(m.applied, d.Fact)
	return models.Applied
}

func saidBy(f *models.Fact) string {
	if inv, ok := f.Data.(*models.Invoice); ok {
		return fmt.Sprintf("%+v", *inv)
	}
	return fmt.Sprintf("%T%+v", f.Data, f.Data)
}

func (m *memory) facts() []*models.Fact {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.applied)
}

func (m *memory) faults() []models.DecodedMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.aside)
}

// done is how many messages have come to rest.
func (m *memory) done() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.applied) + len(m.aside)
}

func (m *memory) largest() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Max(append(m.sizes, 0))
}
