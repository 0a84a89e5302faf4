package authtest

import (
	"context"
	"sync"
	"time"

	"referral/models"
)

// Memory stores sessions in memory, as the database does.
type Memory struct {
	mu  sync.Mutex
	all map[models.SessionID]models.Session
	err error
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{all: map[models.SessionID]models.Session{}} }

// Fail makes every method fail with err; nil lets them succeed again.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// All returns all sessions.
func (m *Memory) All() []models.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []models.Session
	for _, s := range m.all {
		all = append(all, s)
	}
	return all
}

// OpenSession stores a new session.
func (m *Memory) OpenSession(_ context.Context, s models.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.all[s.ID] = s
	}
	return m.err
}

// Session returns a session that has not ended.
func (m *Memory) Session(_ context.Context, id models.SessionID, now time.Time) (models.Session, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.all[id]
	if !ok || !now.Before(s.ExpiresAt) || m.err != nil {
		return models.Session{}, false, m.err
	}
	s.Hint = nil
	return s, true, nil
}

// TouchSession records the use of a session.
func (m *Memory) TouchSession(_ context.Context, seen models.Session, since time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.all[seen.ID]
	if ok && m.err == nil && !s.SeenAt.After(since) && s.ExpiresAt.After(seen.SeenAt) {
		s.SeenAt, s.ExpiresAt = seen.SeenAt, seen.ExpiresAt
		if s.ExpiresAt.After(s.EndsAt) {
			s.ExpiresAt = s.EndsAt
		}
		m.all[seen.ID] = s
	}
	return m.err
}

// CloseSession ends a session.
func (m *Memory) CloseSession(_ context.Context, id models.SessionID) (models.Session, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.all[id]
	if m.err == nil {
		delete(m.all, id)
	}
	return s, ok, m.err
}
