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

// ReferredAccount is an accepted activation with the name of the account that made it, as
// the inviter's list shows it.
type ReferredAccount struct {
	InviteeID   int64
	Name        string
	Erased      bool // its personal data were erased, the name among them
	ActivatedAt time.Time
	RevokedFrom Date // first day without effect; 0 while the referral is not revoked
}

// ReferralCursor is a place in an inviter's list, which runs from the newest friend to
// the oldest: just behind this one. The zero mark is the beginning.
type ReferralCursor struct {
	ActivatedAt time.Time
	InviteeID   int64
}

// AttemptLimit counts wrong codes of one subject within one window of time.
type AttemptLimit struct {
	Scope   string // account, address or overall
	Subject string
	Ends    time.Time // of the window
	Allowed int       // at least 1
}

// ClientRequest is a request that its client may send again without doing its
// work again.
type ClientRequest struct {
	AccountID int64
	Key       UUID // hash of the idempotency key
	Digest    UUID // of what is asked for: the same key for something else is a mistake
}

// RequestStatus is what is known of a request.
type RequestStatus string

// A request is claimed by this process, was answered, is being answered by another
// process, or its key came before with another request.
const (
	RequestOurs     RequestStatus = "ours"
	RequestAnswered RequestStatus = "answered"
	RequestUnderWay RequestStatus = "under_way"
	RequestOther    RequestStatus = "other"
)

// RequestClaim is a claimed request. TakenAt is when it came for the first time, and the
// same at every repeat; ClaimedAt tells this claim from others.
type RequestClaim struct {
	ClientRequest
	Status    RequestStatus
	TakenAt   time.Time
	ClaimedAt time.Time
	Answer    []byte // of an answered one, as it was stored
}
