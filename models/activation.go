package models

import (
	"strings"
	"time"
)

// ActivationStatus is what was decided about a request to activate a code.
type ActivationStatus string

// A request waits for its account's registration, and is then judged once and
// permanently (docs/programme.md, "Who may activate a code").
const (
	ActivationPending  ActivationStatus = "pending"
	ActivationAccepted ActivationStatus = "accepted"
	ActivationRefused  ActivationStatus = "refused"
)

// Reason says why an activation waits or was refused.
type Reason string

// The reasons, in the order in which they are checked.
const (
	NotRegistered    Reason = "not_registered"
	UnknownCode      Reason = "unknown_code"
	OwnCode          Reason = "own_code"
	OwnCompany       Reason = "own_company"
	AlreadyActivated Reason = "already_activated"
	WindowClosed     Reason = "window_closed"
	// Withdrawn is checked by no rule: the client has not asked, and the decision of
	// staff that made the request was undone.
	Withdrawn Reason = "withdrawn"
)

// Activation is one request of an account to activate a code, with its decision.
type Activation struct {
	Seq         int64 // order of arrival; 0 until stored
	AccountID   int64
	Code        string // as it was entered
	RequestedAt time.Time
	Status      ActivationStatus
	Reason      Reason // by the rules alone, so that a decision of staff can be undone; empty when they accept it
	InviterID   int64  // 0 unless accepted
	RevokedFrom Date   // first day on which its referral has no effect; 0 while it is not revoked
	Provenance  Provenance
}

// ActivationKey identifies a request to activate a code, as it was entered: another
// spelling of the code is another request.
type ActivationKey struct {
	AccountID   int64
	Code        string
	RequestedAt int64 // microseconds of Unix time, the resolution of the storage
}

// Key is what identifies the request.
func (a *Activation) Key() ActivationKey {
	return ActivationKey{a.AccountID, a.Code, a.RequestedAt.UnixMicro()}
}

// Key is what identifies the request.
func (f ActivationRequested) Key() ActivationKey {
	return ActivationKey{f.AccountID, f.Code, f.RequestedAt.UnixMicro()}
}

// Accepted is the one that was accepted; nil when there is none.
func Accepted(activations []*Activation) *Activation {
	for _, a := range activations {
		if a.Status == ActivationAccepted {
			return a
		}
	}
	return nil
}

// Referral is an accepted activation as its inviter sees it.
type Referral struct {
	InviterID   int64
	InviteeID   int64
	ActivatedAt time.Time // never before the invitee's registration
	RevokedFrom Date      // first day without effect; 0 while it is not revoked
}

// CountsOn tells whether a referral has an effect on a day, as far as it is not revoked.
func (r Referral) CountsOn(day Date) bool { return r.RevokedFrom == 0 || day < r.RevokedFrom }

// CodeAlphabet is the symbols of an invitation code: no two that look or sound
// alike in print (0/O, 1/I/L are left out).
const CodeAlphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

// CodeLength makes guessing hopeless: 31^9 codes.
const CodeLength = 9

// NormalCode is a code as people type it, brought to its stored form.
func NormalCode(typed string) string {
	return strings.ToUpper(withoutSeparators.Replace(strings.TrimSpace(typed)))
}

var withoutSeparators = strings.NewReplacer(" ", "", "-", "")
