package portal

import (
	"context"
	"errors"
	"time"

	"referral/billing"
	"referral/models"
)

// Service is all that a client can see and do. The account is always that of the
// authenticated principal. Errors other than the ones named here mean that the
// database does not answer.
type Service interface {
	// Overview is what the client has today. ErrUnknownAccount: no fact about the
	// account has arrived; then the overview is that of a new client, with whether
	// it takes part.
	Overview(ctx context.Context, account int64) (Overview, error)
	// EnterWithoutCode notes that the client takes part without a code («У меня нет кода»).
	EnterWithoutCode(ctx context.Context, account int64) error
	// Activate enters a friend's code. A refusal is a result, not an error; so is
	// that there were too many wrong codes (Wait). The result is Waiting for an
	// account of which nothing is known yet. Errors: ErrKeyReused, ErrUnderWay.
	Activate(ctx context.Context, account int64, a Attempt) (ActivationResult, error)
	// Friends lists the clients that the account has invited, the newest first.
	Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error)
	// Changes lists every change of the client's percentage, the newest first.
	Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error)
	// Months lists the sums of each month, the newest first.
	Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error)
	// Why explains the discount on an invoice of the account, without anything
	// about the account itself (Account is empty). found is false for every other
	// invoice, whether it exists or not.
	Why(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error)
	// Invite accepts an invitation for sending. A refusal is a result, not an error. Errors:
	// ErrKeyReused, ErrUnderWay.
	Invite(ctx context.Context, account int64, i Invite) (InviteResult, error)
	// Invitations lists those that the client has sent, the newest first.
	Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error)
	// OptOut stops all further invitations to the recipient of an invitation. It may
	// be repeated. found is false for an unknown token.
	OptOut(ctx context.Context, token string) (found bool, err error)
}

var (
	// ErrUnknownAccount: no fact about the account has arrived.
	ErrUnknownAccount = errors.New("portal: nothing is known of the account")
	// ErrBadCursor: the cursor is not one that the service returned.
	ErrBadCursor = errors.New("portal: no such page")
	// ErrKeyReused: the idempotency key was used before with another request.
	ErrKeyReused = errors.New("portal: the idempotency key was used for another request")
	// ErrUnderWay: the same request is being processed at this moment.
	ErrUnderWay = errors.New("portal: a request with this idempotency key is under way")
)

// Overview is what the client has, and whether it takes part.
type Overview struct {
	billing.PortalView
	Entered bool   // takes part: with a code, by «У меня нет кода», or by having invited a client
	Link    string // carries the client's code
}

// Attempt is a code that a client enters.
type Attempt struct {
	Code    string
	Address string // the client's IP address as Proxies.Client finds it, for throttling
	Key     string // idempotency key; empty for none
}

// ActivationResult is the outcome of an attempt.
type ActivationResult struct {
	Accepted bool          `json:"accepted"`
	Waiting  bool          `json:"waiting"` // for the registration to arrive
	Reason   models.Reason `json:"reason,omitempty"`
	Wait     time.Duration `json:"-"` // until the next attempt is considered; then nothing else is set
}

// Friend is a client that was invited.
type Friend struct {
	AccountID   int64
	Name        string // masked unless the terms allow it
	ActivatedOn models.Date
}

// Invite is an invitation to be sent.
type Invite struct {
	Channel   models.Channel
	Recipient string // as typed
	Key       string // idempotency key; empty for none
}

// InviteResult is the outcome of an Invite.
type InviteResult struct {
	Invitation models.Invitation // when accepted
	Refusal    InviteRefusal     // empty when accepted
	Wait       time.Duration     // until it may be tried again, if waiting helps
}

// InviteRefusal is why an invitation is not sent.
type InviteRefusal string

// The refusals.
const (
	InviteBadRecipient   InviteRefusal = "bad_recipient"   // no address, or no mobile number
	InvitePremiumNumber  InviteRefusal = "premium_number"  // a number that costs its caller money
	InviteLookalike      InviteRefusal = "lookalike"       // an address that mixes alphabets
	InviteForeignLetters InviteRefusal = "foreign_letters" // other than Latin letters before the @
	InviteTooMany        InviteRefusal = "too_many"        // ten a day
	InviteAlreadyInvited InviteRefusal = "already_invited" // one a day per recipient
	InviteOptedOut       InviteRefusal = "opted_out"       // the recipient wants none
	InviteNotPossible    InviteRefusal = "not_possible"    // the channel is off, there is no code yet, or the account has left
)

// Page is a part of a list, with the cursor of the next part.
type Page[T any] struct {
	Items []T
	Next  string // empty on the last page
}
