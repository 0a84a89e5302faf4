package models

import "time"

// Fact is something that happened. What it says identifies it, not the event that
// brought it: the same fact in another event is a repeat.
type Fact struct {
	At         time.Time
	Provenance Provenance
	Data       FactData
}

// Origin is the place of a message on its topic.
type Origin struct {
	Topic     string
	Partition int
	Offset    int64
}

// Provenance is where a fact came from, so that its message can be found again
// years later: a message, or a request at the personal account.
type Provenance struct {
	Origin            // of the message; zero for a request
	Request UUID      // zero for a message
	At      time.Time // when the message was written, or the request first made
}

// FactData is one of Registered, PromoEnded, Terminated, ActivationRequested,
// *Invoice or Result.
type FactData interface {
	// Account is the account the fact is about; 0 when the message does not say.
	Account() int64
}

// Registered says that an account has registered its PBX.
type Registered struct {
	AccountID    int64
	RegisteredAt time.Time
	Profile      Profile
}

// PromoEnded says that an account's promo period has ended.
type PromoEnded struct {
	AccountID int64
	EndedAt   time.Time
}

// Terminated says that an account has left.
type Terminated struct {
	AccountID    int64
	TerminatedAt time.Time
}

// ActivationRequested says that an account has entered a code.
type ActivationRequested struct {
	AccountID   int64
	Code        string
	RequestedAt time.Time
}

// Account is the registered account.
func (f Registered) Account() int64 { return f.AccountID }

// Account is the account whose promo period ended.
func (f PromoEnded) Account() int64 { return f.AccountID }

// Account is the account that left.
func (f Terminated) Account() int64 { return f.AccountID }

// Account is the account that entered the code.
func (f ActivationRequested) Account() int64 { return f.AccountID }

// Account is the account billed.
func (i *Invoice) Account() int64 { return i.AccountID }

// Account is the account that the answer's message key names.
func (r Result) Account() int64 { return r.AccountID }

// DeadLetter is a message that could not be used, kept whole with its reason.
type DeadLetter struct {
	ID      int64 // 0 until stored
	Message Message
	Err     InputError
	At      time.Time
}

// Header is one header of a message.
type Header struct {
	Key   string
	Value []byte
}

// BadInput classifies why a message became a dead letter.
type BadInput string

// The kinds of bad input (docs/contract.md, "Bad input").
const (
	BadUnreadable  BadInput = "unreadable"   // not JSON, not a CloudEvent
	BadUnknownType BadInput = "unknown_type" // an event type nobody knows on this topic
	BadField       BadInput = "bad_field"    // missing, of the wrong type or out of range
	BadTooLarge    BadInput = "too_large"    // over 1 MiB
	BadConflict    BadInput = "conflict"     // it contradicts a fact that came before
	BadRefused     BadInput = "refused"      // the database refused it for a reason of its own
)

// BadInputs is all of them.
var BadInputs = []BadInput{BadUnreadable, BadUnknownType, BadField, BadTooLarge, BadConflict, BadRefused}

// OutboxEventType is the type of an event that the programme itself sends.
type OutboxEventType string

// What is announced on the topic referral.events.
const (
	CodeIssued      OutboxEventType = "referral.code-issued.v1"
	Activated       OutboxEventType = "referral.activated.v1"
	Refused         OutboxEventType = "referral.refused.v1"
	DiscountChanged OutboxEventType = "referral.discount-changed.v1"
)

// OutboxEvent is an event for CRM, notifications and analytics. Data carries
// the fields that asyncapi.yaml names for its type.
type OutboxEvent struct {
	Seq       int64 // order of writing; 0 until stored
	ID        UUID  // the same whenever the same fact is taken
	Type      OutboxEventType
	AccountID int64
	At        time.Time
	Data      map[string]any
}
