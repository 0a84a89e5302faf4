package models

import "time"

// SessionID is what a session is found by: the SHA-256 of the token in the
// client's cookie. The token itself is kept nowhere.
type SessionID [32]byte

// Session is a client that is signed in to the personal account.
type Session struct {
	ID        SessionID
	AccountID int64 // of a client; 0 on the staff pages
	Staff     Staff // of the staff pages; zero on the personal account
	// Hint is the ID token that the client signed in with, sealed with the
	// client's own token; empty when it is not kept.
	Hint      []byte
	CreatedAt time.Time
	SeenAt    time.Time // true to about a minute
	ExpiresAt time.Time // when it ends unless the client is seen again
	EndsAt    time.Time // when it ends in any case
}
