package portal

import (
	"context"
	"errors"
	"time"

	"referral/billing"
	"referral/models"
)

// Service is what a client can see and do. The account is always that of the
// authenticated principal. Errors other than the ones named here mean that the
// database does not answer.
type Service interface {
	Reader

	// JoinWithoutCode records that the client takes part without a code («У меня нет кода»).
	JoinWithoutCode(ctx context.Context, account int64) error
	// Activate enters an invitation code. A refusal is a result and not an error, and so
	// is throttling (Wait). The result is Waiting for an account of which no fact has
	// arrived. It continues after the client has disconnected: otherwise codes could be
	// tried without being counted. Errors: ErrKeyReused, ErrUnderWay.
	Activate(ctx context.Context, account int64, r ActivationRequest) (ActivationResult, error)
	// Invite accepts an invitation for sending. A refusal is a result and not an error. It
	// continues after the client has disconnected, so that a repeat finds an answer.
	// Errors: ErrKeyReused, ErrUnderWay.
	Invite(ctx context.Context, account int64, r InvitationRequest) (InviteResult, error)
	// OptOut stops all further invitations to the recipient of an invitation. It may
	// be repeated. found is false for an unknown token.
	OptOut(ctx context.Context, token string) (found bool, err error)
}

var (
	// ErrUnknownAccount means that no fact about the account has arrived.
	ErrUnknownAccount = errors.New("portal: no fact about the account has arrived")
	// ErrBadCursor means that the cursor is not one that the service returned.
	ErrBadCursor = errors.New("portal: not a cursor of this list")
	// ErrKeyReused means that the idempotency key was used before with another request.
	ErrKeyReused = errors.New("portal: the idempotency key was used for another request")
	// ErrUnderWay means that the same request is being processed at this moment.
	ErrUnderWay = errors.New("portal: a request with this idempotency key is under way")
)

// Overview is the state of an account.
type Overview struct {
	billing.PortalView
	TakesPart bool   // with a code, by «У меня нет кода», or by having referred an account
	Link      string // contains the client's code
}

// ActivationRequest is an invitation code that a client enters.
type ActivationRequest struct {
	Code     string
	ClientIP string // as Proxies.ClientIP returns it, for throttling
	Key      string // idempotency key; empty for none
}

// ActivationResult is the outcome of an activation.
type ActivationResult struct {
	Accepted bool          `json:"accepted"`
	Waiting  bool          `json:"waiting"` // for the registration to arrive
	Reason   models.Reason `json:"reason,omitempty"`
	Wait     time.Duration `json:"-"` // until the next code is checked; nothing else is set then
}

// Friend is an account that was referred.
type Friend struct {
	AccountID   int64
	Name        string // masked unless the terms allow it
	ActivatedOn models.Date
	Revoked     bool // counts no more
}

// InvitationRequest is an invitation to be sent.
type InvitationRequest struct {
	Channel   models.Channel
	Recipient string // as typed
	Key       string // idempotency key; empty for none
}

// InviteResult is the outcome of an InvitationRequest.
type InviteResult struct {
	Invitation models.Invitation // when accepted
	Refusal    InviteRefusal     // empty when accepted
	Wait       time.Duration     // until a retry may succeed; 0 if waiting does not help
}

// InviteRefusal is why an invitation is not sent.
type InviteRefusal string

// The refusals.
const (
	InviteBadRecipient   InviteRefusal = "bad_recipient"   // not an address, or not a mobile number
	InvitePremiumNumber  InviteRefusal = "premium_number"  // the number has a premium rate
	InviteLookalike      InviteRefusal = "lookalike"       // the address mixes alphabets
	InviteForeignLetters InviteRefusal = "foreign_letters" // other than Latin letters before the @
	InviteTooMany        InviteRefusal = "too_many"        // the limit of the day is reached
	InviteAlreadyInvited InviteRefusal = "already_invited" // today, by any account
	InviteOptedOut       InviteRefusal = "opted_out"       // the recipient has opted out
	InviteNotPossible    InviteRefusal = "not_possible"    // the channel is not configured, the account has no code yet or is terminated
)

// Page is a part of a list, with the cursor of the next one.
type Page[T any] struct {
	Items []T
	Next  string // empty on the last page
}
