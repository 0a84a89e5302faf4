package store

import (
	"context"
	"time"

	"referral/models"
)

// StaffSessions keeps who is signed in to the staff pages.
type StaffSessions struct{ *Store }

// OpenSession keeps a new session, and records the sign-in.
func (s StaffSessions) OpenSession(ctx context.Context, n models.Session) error {
	hint := n.Hint
	if hint == nil {
		hint = []byte{}
	}
	return s.write(ctx, "opening a staff session", func(tx *tx) error {
		err := tx.exec("keeping it", `INSERT INTO staff_sessions (id, subject, name, roles, hint, created_at, seen_at, expires_at, ends_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			n.ID[:], n.Staff.Subject, n.Staff.Name, n.Staff.Roles, hint, n.CreatedAt, n.SeenAt, n.ExpiresAt, n.EndsAt)
		if err != nil {
			return err
		}
		return tx.recordAction(models.OperatorAction{Who: n.Staff.Name, Role: n.Staff.Role(), What: models.ActionSignIn, Subject: n.Staff.Subject})
	})
}

// Session is the session of an id that has not ended by now, without its hint.
func (s StaffSessions) Session(ctx context.Context, id models.SessionID, now time.Time) (found models.Session, ok bool, err error) {
	found.ID = id
	ok, err = s.scan(ctx, "looking for a staff session", []any{
		&found.Staff.Subject, &found.Staff.Name, &found.Staff.Roles, &found.CreatedAt, &found.SeenAt, &found.ExpiresAt, &found.EndsAt,
	}, "SELECT subject, name, roles, created_at, seen_at, expires_at, ends_at FROM staff_sessions WHERE id = $1", id[:])
	if !ok || !now.Before(found.ExpiresAt) {
		return models.Session{}, false, err
	}
	return found, true, nil
}

// TouchSession notes that a member of staff was seen, unless it was noted since a time
// or the session has ended.
func (s StaffSessions) TouchSession(ctx context.Context, seen models.Session, since time.Time) error {
	return s.exec(ctx, "noting that a member of staff was seen", `UPDATE staff_sessions SET seen_at = $2, expires_at = least($3, ends_at)
		WHERE id = $1 AND seen_at <= $4 AND expires_at > $2`, seen.ID[:], seen.SeenAt, seen.ExpiresAt, since)
}

// CloseSession ends a session and returns it; ok is false when there was none.
func (s StaffSessions) CloseSession(ctx context.Context, id models.SessionID) (closed models.Session, ok bool, err error) {
	closed.ID = id
	ok, err = s.scan(ctx, "closing a staff session", []any{
		&closed.Staff.Subject, &closed.Staff.Name, &closed.Staff.Roles, &closed.Hint, &closed.CreatedAt, &closed.SeenAt, &closed.ExpiresAt, &closed.EndsAt,
	}, "DELETE FROM staff_sessions WHERE id = $1 RETURNING subject, name, roles, hint, created_at, seen_at, expires_at, ends_at", id[:])
	return closed, ok, err
}
