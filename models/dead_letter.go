package models

import (
	"strconv"
	"time"
)

// DeadLetterHeader is the header of a message that was put back: the id of its
// dead letter.
const DeadLetterHeader = "dead-letter-id"

// DeadLetterState is what is being done about a message that was set aside.
type DeadLetterState string

// A dead letter waits for a person until it is discarded or put back. One that
// was put back is resolved when it is taken, and waits again when it fails again.
const (
	DeadLetterWaiting   DeadLetterState = "waiting"
	DeadLetterReplayed  DeadLetterState = "replayed"
	DeadLetterResolved  DeadLetterState = "resolved"
	DeadLetterDiscarded DeadLetterState = "discarded"
)

// DeadLetterStates is all of them.
var DeadLetterStates = []DeadLetterState{DeadLetterWaiting, DeadLetterReplayed, DeadLetterResolved, DeadLetterDiscarded}

// DeadLetterRecord is a message that was set aside, and what became of it. Its value is
// the one that was put back last, its fault the latest.
type DeadLetterRecord struct {
	DeadLetter
	Type       string // of the event, as far as it can be read
	State      DeadLetterState
	ReplayedAt time.Time // the last time; zero until then
	Corrected  bool      // the value is not the one that was set aside first
	FirstErr   InputError
	Outcomes   []ReplayOutcome // of every replay, in order; only of a letter read by itself
}

// ReplayOutcome is what became of a message that was put back.
type ReplayOutcome struct {
	At     time.Time
	Origin Origin      // of the message that was put back
	Err    *InputError // nil when it was taken
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
