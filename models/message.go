package models

import (
	"errors"
	"strconv"
	"time"
)

// Message is one record of a topic, as it came.
type Message struct {
	Origin  Origin
	Key     []byte
	Value   []byte
	Headers []Header
	At      time.Time // the broker's timestamp; zero when it is none
}

// DeadLetterOf is the id of the dead letter that a message says it is a replay of;
// 0 when it says nothing. Anyone may say so.
func (m *Message) DeadLetterOf() int64 { return decimal(m.Header(DeadLetterHeader)) }

// Header is the value of a header; nil without one. Of several of the name the last counts.
func (m *Message) Header(key string) []byte {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == key {
			return m.Headers[i].Value
		}
	}
	return nil
}

// Header is one header of a message.
type Header struct {
	Key   string
	Value []byte
}

// DecodedMessage is a message and what was read from it: a fact, or an error.
type DecodedMessage struct {
	Message Message
	Type    string // of the event, as far as it can be read
	Fact    *Fact
	Err     *InputError
}

// InputError is why a message cannot be used. Detail says what is wrong and where, and
// never quotes personal data.
type InputError struct {
	Reason BadInput
	Detail string
}

// Error is the reason with its detail.
func (f *InputError) Error() string { return string(f.Reason) + ": " + f.Detail }

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

// Disposition is what became of one message.
type Disposition string

// A delivery is applied, says nothing that was not known already, or is set aside.
const (
	Applied      Disposition = "applied"
	Repeated     Disposition = "repeated"
	DeadLettered Disposition = "dead_letter"
)

// ErrRefused marks an error of the storage that lies in the data and would come
// again at every try, unlike a lost connection or a conflict with another transaction.
var ErrRefused = errors.New("the database refuses the data")

// DeadLetter is a message that could not be used, kept whole with its reason.
type DeadLetter struct {
	ID      int64 // 0 until stored
	Message Message
	Err     InputError
	At      time.Time
}

// DeadLetterHeader is the header of a replayed message: the id of its dead letter.
const DeadLetterHeader = "dead-letter-id"

// DeadLetterState is what is being done about a dead letter.
type DeadLetterState string

// A dead letter waits for a person until it is discarded or replayed. A replayed one is
// resolved when its message is stored, and waits again when it fails again.
const (
	DeadLetterWaiting   DeadLetterState = "waiting"
	DeadLetterReplayed  DeadLetterState = "replayed"
	DeadLetterResolved  DeadLetterState = "resolved"
	DeadLetterDiscarded DeadLetterState = "discarded"
)

// DeadLetterStates is all of them.
var DeadLetterStates = []DeadLetterState{DeadLetterWaiting, DeadLetterReplayed, DeadLetterResolved, DeadLetterDiscarded}

// ErrDeadLetterState says that a dead letter is not in a state for what was asked.
var ErrDeadLetterState = errors.New("the dead letter's state does not allow it")

// DeadLetterRecord is a dead letter and what became of it. Its value is the one that was
// replayed last, its error the latest.
type DeadLetterRecord struct {
	DeadLetter
	Type       string // of the event, as far as it can be read
	State      DeadLetterState
	ReplayedAt time.Time // the last time; zero until then
	Corrected  bool      // the value is not the original one
	FirstErr   InputError
	Outcomes   []ReplayOutcome // of every replay, in order; only of one that was read by itself
}

// ReplayOutcome is what became of a replayed message.
type ReplayOutcome struct {
	At     time.Time
	Origin Origin      // of the replayed message
	Err    *InputError // nil when it was stored
}

// DeadLetterFilter selects dead letters; what is zero selects all.
type DeadLetterFilter struct {
	States    []DeadLetterState
	Topic     string
	Reason    BadInput
	Type      string
	AccountID int64 // in the message key
	Since     time.Time
}

// KeyAccount is the account that a message key names, in decimal digits as
// asyncapi.yaml has it; 0 when it names none.
func KeyAccount(key []byte) int64 { return decimal(key) }

// decimal reads a positive number without leading zeros; 0 when it is none.
func decimal(text []byte) int64 {
	if len(text) == 0 || text[0] < '1' || text[0] > '9' {
		return 0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
