package store

import (
	"context"
	"time"

	"referral/models"
)

// OpenSession keeps a new session.
func (s *Store) OpenSession(ctx context.Context, n models.Session) error {
	hint := n.Hint
	if hint == nil {
		hint = []byte{}
	}
	return s.exec(ctx, "opening a session", `INSERT INTO sessions (id, account_id, hint, created_at, seen_at, expires_at, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, n.ID[:], n.AccountID, hint, n.CreatedAt, n.SeenAt, n.ExpiresAt, n.EndsAt)
}

// Session is the session of an id that has not ended by now, without its hint.
// It is asked for at every request: one statement, by the primary key. Whether the
// session has ended is checked here: with the time in the condition the planner might
// choose the other index.
func (s *Store) Session(ctx context.Context, id models.SessionID, now time.Time) (found models.Session, ok bool, err error) {
	found.ID = id
	ok, err = s.scan(ctx, "looking for a session", []any{&found.AccountID, &found.CreatedAt, &found.SeenAt, &found.ExpiresAt, &found.EndsAt},
		"SELECT account_id, created_at, seen_at, expires_at, ends_at FROM sessions WHERE id = $1", id[:])
	if !ok || !now.Before(found.ExpiresAt) {
		return models.Session{}, false, err
	}
	return found, true, nil
}

// TouchSession notes that a client was seen, unless it was noted since a time or
// the session has ended.
func (s *Store) TouchSession(ctx context.Context, seen models.Session, since time.Time) error {
	return s.exec(ctx, "noting that a client was seen", `UPDATE sessions SET seen_at = $2, expires_at = least($3, ends_at)
		WHERE id = $1 AND seen_at <= $4 AND expires_at > $2`, seen.ID[:], seen.SeenAt, seen.ExpiresAt, since)
}

// CloseSession ends a session and gives it back; ok is false when there was none.
func (s *Store) CloseSession(ctx context.Context, id models.SessionID) (closed models.Session, ok bool, err error) {
	closed.ID = id
	ok, err = s.scan(ctx, "closing a session",
		[]any{&closed.AccountID, &closed.Hint, &closed.CreatedAt, &closed.SeenAt, &closed.ExpiresAt, &closed.EndsAt},
		"DELETE FROM sessions WHERE id = $1 RETURNING account_id, hint, created_at, seen_at, expires_at, ends_at", id[:])
	if !ok {
		return models.Session{}, false, err
	}
	return closed, true, nil
}
