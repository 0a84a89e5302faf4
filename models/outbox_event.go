package models

import "time"

// OutboxEventType is the type of an event that the programme itself sends.
type OutboxEventType string

// What is announced on the topic referral.events.
const (
	CodeIssued      OutboxEventType = "referral.code-issued.v1"
	Activated       OutboxEventType = "referral.activated.v1"
	Refused         OutboxEventType = "referral.refused.v1"
	DiscountChanged OutboxEventType = "referral.discount-changed.v1"
	MonthSigned     OutboxEventType = "referral.month-signed.v1" // about no account: its AccountID is 0
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
	Trace     string // context of the trace that it belongs to; empty for none
}

// IssuedCode is an invitation code that a client was told.
type IssuedCode struct {
	AccountID int64
	Code      string
}
