package publisher

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"referral/models"
)

// memory is a ledger in memory that any number of publishers share.
type memory struct {
	mutex       sync.Mutex
	chunks      map[models.ChunkRef]models.ChunkDocuments
	published   map[models.ChunkRef]bool
	events      []models.OutboxEvent
	deadLetters []models.DeadLetter
	asideOut    map[int64]bool
	loseLead    context.CancelCauseFunc // nil while nobody leads
	leads       int
	loads       map[models.ChunkRef]int
	whenLoaded  func(models.ChunkRef) // behind a loading; nil does nothing

	fail map[string]int // how many more times a call fails, by its name
}

var (
	errLockLost = errors.New("the connection of the lock is gone")
	errFault    = errors.New("the database is away")
)

func newMemory() *memory {
	return &memory{
		chunks: map[models.ChunkRef]models.ChunkDocuments{}, published: map[models.ChunkRef]bool{}, asideOut: map[int64]bool{},
		loads: map[models.ChunkRef]int{}, fail: map[string]int{},
	}
}

func (m *memory) add(docs models.ChunkDocuments) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.chunks[docs.Ref] = docs
}

// call locks, and fails as often as the test wants.
func (m *memory) call(ctx context.Context, name string) (unlock func(), err error) {
	m.mutex.Lock()
	if err := ctx.Err(); err != nil {
		m.mutex.Unlock()
		return nil, err
	}
	if m.fail[name] > 0 {
		m.fail[name]--
		m.mutex.Unlock()
		return nil, errFault
	}
	return m.mutex.Unlock, nil
}

func (m *memory) Lead(ctx context.Context) (context.Context, func(), bool, error) {
	unlock, err := m.call(ctx, "Lead")
	if err != nil {
		return nil, nil, false, err
	}
	defer unlock()
	if m.loseLead != nil {
		return nil, nil, false, nil
	}
	m.leads++
	mine := m.leads
	led, cancel := context.WithCancelCause(ctx)
	m.loseLead = cancel
	return led, func() {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		cancel(nil)
		if m.leads == mine {
			m.loseLead = nil
		}
	}, true, nil
}

// breakLock takes the lead from anyone who has it: another may take it at once.
func (m *memory) breakLock() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.loseLead != nil {
		m.loseLead(errLockLost)
		m.loseLead = nil
	}
}

func (m *memory) UnpublishedChunks(ctx context.Context, limit int) ([]models.ChunkRef, error) {
	unlock, err := m.call(ctx, "UnpublishedChunks")
	if err != nil {
		return nil, err
	}
	defer unlock()
	refs := m.unpublished()
	return refs[:min(limit, len(refs))], nil
}

// waiting is unpublished, for a test while a publisher works.
func (m *memory) waiting() []models.ChunkRef {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.unpublished()
}

func (m *memory) unpublished() []models.ChunkRef {
	var refs []models.ChunkRef
	for ref := range m.chunks {
		if !m.published[ref] {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b models.ChunkRef) int {
		return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Chunk, b.Chunk))
	})
	return refs
}

func (m *memory) LoadChunk(ctx context.Context, ref models.ChunkRef) (models.ChunkDocuments, error) {
	unlock, err := m.call(ctx, "LoadChunk")
	if err != nil {
		return models.ChunkDocuments{}, err
	}
	defer unlock()
	m.loads[ref]++
	docs := m.chunks[ref]
	if m.whenLoaded != nil {
		m.whenLoaded(ref)
	}
	return docs, nil
}

func (m *memory) MarkPublished(ctx context.Context, ref models.ChunkRef, _ time.Time) error {
	unlock, err := m.call(ctx, "MarkPublished")
	if err != nil {
		return err
	}
	defer unlock()
	m.published[ref] = true
	return nil
}

func (m *memory) OutboxEvents(ctx context.Context, limit int) ([]models.OutboxEvent, error) {
	unlock, err := m.call(ctx, "OutboxEvents")
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Clone(m.events[:min(limit, len(m.events))]), nil
}

func (m *memory) DropOutboxEvents(ctx context.Context, seqs []int64) error {
	unlock, err := m.call(ctx, "DropOutboxEvents")
	if err != nil {
		return err
	}
	defer unlock()
	m.events = slices.DeleteFunc(m.events, func(a models.OutboxEvent) bool { return slices.Contains(seqs, a.Seq) })
	return nil
}

func (m *memory) UnpublishedDeadLetters(ctx context.Context, limit int) ([]models.DeadLetter, error) {
	unlock, err := m.call(ctx, "UnpublishedDeadLetters")
	if err != nil {
		return nil, err
	}
	defer unlock()
	var rows []models.DeadLetter
	for _, a := range m.deadLetters {
		if !m.asideOut[a.ID] && len(rows) < limit {
			rows = append(rows, a)
		}
	}
	return rows, nil
}

func (m *memory) MarkDeadLettersPublished(ctx context.Context, ids []int64, _ time.Time) error {
	unlock, err := m.call(ctx, "MarkDeadLettersPublished")
	if err != nil {
		return err
	}
	defer unlock()
	for _, id := range ids {
		m.asideOut[id] = true
	}
	return nil
}

func (m *memory) Backlog(ctx context.Context) (documents, events, deadLetters int64, oldest time.Time, err error) {
	unlock, err := m.call(ctx, "Backlog")
	if err != nil {
		return 0, 0, 0, time.Time{}, err
	}
	defer unlock()
	for _, ref := range m.unpublished() {
		docs := m.chunks[ref]
		documents += int64(len(docs.Adjustments) + len(docs.Packages))
		if oldest.IsZero() || docs.PostedAt.Before(oldest) {
			oldest = docs.PostedAt
		}
	}
	return documents, int64(len(m.events)), int64(len(m.deadLetters) - len(m.asideOut)), oldest, nil
}

func (m *memory) isPublished(ref models.ChunkRef) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.published[ref]
}

func (m *memory) loaded(ref models.ChunkRef) int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.loads[ref]
}
