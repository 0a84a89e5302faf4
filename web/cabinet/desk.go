package cabinet

import (
	"context"
	"errors"
	"time"

	"referral/billing"
	"referral/models"
)

// Desk is all that a client can see and do. The account is always that of
// whoever is at the door. Errors other than the ones named here mean that the
// database does not answer.
type Desk interface {
	// Standing is what the client has today. ErrUnknownAccount: no fact about the
	// account has arrived; the standing is then that of anybody, and whether the
	// client takes part.
	Standing(ctx context.Context, account int64) (Standing, error)
	// EnterWithoutCode notes that the client takes part without a code («У меня нет кода»).
	EnterWithoutCode(ctx context.Context, account int64) error
	// Activate enters a friend's code. A refusal is a verdict, not an error; so is
	// that there were too many wrong codes (Wait). An account of which nothing is
	// known yet is answered Waiting. Errors: ErrKeyReused, ErrUnderWay.
	Activate(ctx context.Context, account int64, a Attempt) (Verdict, error)
	// Friends is those that the client has brought, the newest first.
	Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error)
	// Changes is every change of the client's percentage, the newest first.
	Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error)
	// Months is what each month brought, the newest first.
	Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error)
	// Why explains the discount on an invoice of the client's own, without
	// anything about the account (Account is empty). found is false for every other
	// invoice, whether it exists or not.
	Why(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error)
	// Invite takes on an invitation. A refusal is a verdict, not an error. Errors:
	// ErrKeyReused, ErrUnderWay.
	Invite(ctx context.Context, account int64, i Invite) (InviteVerdict, error)
	// Invitations is those that the client has sent, the newest first.
	Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error)
	// OptOut has the recipient of an invitation never written to again. It may be
	// repeated. found is false for a token that belongs to none.
	OptOut(ctx context.Context, token string) (found bool, err error)
}

var (
	// ErrUnknownAccount says that no fact about the account has arrived.
	ErrUnknownAccount = errors.New("cabinet: nothing is known of the account")
	// ErrBadCursor says that a page was asked for that never was.
	ErrBadCursor = errors.New("cabinet: no such page")
	// ErrKeyReused says that an idempotency key came before with another request.
	ErrKeyReused = errors.New("cabinet: the idempotency key was used for another request")
	// ErrUnderWay says that the same request is being answered at this moment.
	ErrUnderWay = errors.New("cabinet: a request with this idempotency key is under way")
)

// Standing is what the client has, and whether it takes part.
type Standing struct {
	billing.Cabinet
	Entered bool   // takes part: with a code, by «У меня нет кода», or by having brought friends
	Link    string // carries the client's code
}

// Attempt is a code that a client enters.
type Attempt struct {
	Code    string
	Address string // of the client's machine, for the limit: an IP address, as Proxies.Client finds it
	Key     string // makes a repeat harmless; empty for none
}

// Verdict is what became of an attempt.
type Verdict struct {
	Accepted bool          `json:"accepted"`
	Waiting  bool          `json:"waiting"` // for the registration to arrive
	Reason   models.Reason `json:"reason,omitempty"`
	Wait     time.Duration `json:"-"` // before the next attempt is looked at; then nothing else is said
}

// Friend is a client that was brought.
type Friend struct {
	AccountID   int64
	Name        string // masked unless the terms allow it
	ActivatedOn models.Date
}

// Invite is an invitation to be sent.
type Invite struct {
	Channel   models.Channel
	Recipient string // as typed
	Key       string // makes a repeat harmless; empty for none
}

// InviteVerdict is what became of it.
type InviteVerdict struct {
	Invitation models.Invitation // when taken on
	Refusal    InviteRefusal     // empty when taken on
	Wait       time.Duration     // until it may be tried again, where waiting helps
}

// InviteRefusal says why an invitation is not sent.
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

// Page is a part of a list, and how to ask for the next one.
type Page[T any] struct {
	Items []T
	Next  string // empty on the last page
}
