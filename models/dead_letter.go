package models

import (
	"strconv"
	"time"
)

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

// DeadLetterOf is the id of the dead letter that a message says it is a replay of;
// 0 when it says nothing. Anyone may say so.
func (m *Message) DeadLetterOf() int64 {
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if m.Headers[i].Key == DeadLetterHeader {
			return decimal(m.Headers[i].Value)
		}
	}
	return 0
}
