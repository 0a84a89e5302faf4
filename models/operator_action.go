package models

import (
	"strconv"
	"time"
)

// OperatorActionKind is what a person did by a command.
type OperatorActionKind string

// The subject of each is a period; of applied terms, their digest.
const (
	ActionAcceptRun OperatorActionKind = "accept-run"
	ActionClose     OperatorActionKind = "close"
	// ActionCloseOverride closes in spite of objections, which its reason names.
	ActionCloseOverride OperatorActionKind = "close-override"
	ActionReopen        OperatorActionKind = "reopen"
	ActionApplyTerms    OperatorActionKind = "apply-terms"
)

// The subject of these is a dead letter; see DeadLetterSubject.
const (
	ActionReplay  OperatorActionKind = "dead-letter-replay"
	ActionDiscard OperatorActionKind = "dead-letter-discard"
)

// The subject of these is the id of an adjustment or a package.
const (
	ActionResend   OperatorActionKind = "resend"
	ActionWriteOff OperatorActionKind = "write-off"
)

// The subject of a sign-in is the provider's identifier of the person; that of a
// configuration is its digest, and it is recorded by the service that starts with it.
const (
	ActionSignIn        OperatorActionKind = "sign-in"
	ActionConfiguration OperatorActionKind = "configuration"
)

// DeadLetterSubject names a dead letter in the records of acts.
func DeadLetterSubject(id int64) string { return "dead-letter " + strconv.FormatInt(id, 10) }

// OperatorAction is one act of a person: who did what, when, to what, and why.
type OperatorAction struct {
	At      time.Time // when it is recorded; the store's clock where it is zero
	Who     string
	Role    Role // of a member of staff who acts on the staff pages; empty for a command
	What    OperatorActionKind
	Subject string
	Reason  string // empty when none was given
}
