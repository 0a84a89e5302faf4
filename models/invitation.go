package models

import (
	"errors"
	"time"
)

// Channel is a way in which an invitation reaches a friend.
type Channel string

// The two ways of the customer's text («Отправить email», «Отправить SMS»).
const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// InvitationState is where an invitation stands.
type InvitationState string

// An invitation is written to its recipient at most once, unless whoever was to
// carry it said that it failed. A process that dies while it sends leaves an
// unknown outcome: that one is not sent again.
const (
	InvitationQueued    InvitationState = "queued"    // waits for a sender, or for another try
	InvitationSending   InvitationState = "sending"   // a sender has it in hand
	InvitationSent      InvitationState = "sent"      // the carrier has taken it over
	InvitationDelivered InvitationState = "delivered" // the carrier says that it has arrived
	InvitationFailed    InvitationState = "failed"    // the carrier refused it, or gave it up
	InvitationUnknown   InvitationState = "unknown"   // sending was cut short; nobody knows
	InvitationOptedOut  InvitationState = "opted_out" // the recipient wants no more of them
)

// Invitation is a client's message to a friend, with its code.
type Invitation struct {
	ID        UUID
	AccountID int64
	Channel   Channel
	Recipient string // mail address, or telephone number in E.164
	Code      string
	State     InvitationState
	Attempts  int
	CarrierID string // the carrier's own id of the message; empty until taken over
	CreatedAt time.Time
	ChangedAt time.Time
}

// Why an invitation is not taken on. The store returns them wrapped.
var (
	// ErrTooManyInvitations says that the client has sent its day's number.
	ErrTooManyInvitations = errors.New("no more invitations today")
	// ErrRecipientInvited says that somebody has written to the recipient today.
	ErrRecipientInvited = errors.New("the recipient was invited today")
	// ErrOptedOut says that the recipient wants no invitations.
	ErrOptedOut = errors.New("the recipient wants no invitations")
)
