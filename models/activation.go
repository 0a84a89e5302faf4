package models

import "time"

// ActivationStatus is where a request to activate a code stands.
type ActivationStatus string

// A request waits for its account's registration, and is then judged once and
// for ever (programme.md, "Who may activate a code").
const (
	ActivationPending  ActivationStatus = "pending"
	ActivationAccepted ActivationStatus = "accepted"
	ActivationRefused  ActivationStatus = "refused"
)

// Reason says why an activation waits or was refused.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	NotRegistered    Reason = "not_registered"
	UnknownCode      Reason = "unknown_code"
	OwnCode          Reason = "own_code"
	OwnCompany       Reason = "own_company"
	AlreadyActivated Reason = "already_activated"
	WindowClosed     Reason = "window_closed"
)

// Activation is one request of an account to activate a code, with its verdict.
type Activation struct {
	Seq         int64 // order of arrival; 0 until stored
	AccountID   int64
	Event       EventKey
	Code        string
	RequestedAt time.Time
	Status      ActivationStatus
	Reason      Reason // empty when accepted
	InviterID   int64  // 0 unless accepted
}

// Referral is an accepted activation as its inviter sees it.
type Referral struct {
	InviterID   int64
	InviteeID   int64
	ActivatedAt time.Time // never before the invitee's registration
}
