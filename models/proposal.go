package models

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ProposalState is what became of a proposal.
type ProposalState string

// An open proposal waits for a second person. What was decided once is final.
const (
	ProposalOpen      ProposalState = "open"
	ProposalApproved  ProposalState = "approved"
	ProposalRejected  ProposalState = "rejected"
	ProposalWithdrawn ProposalState = "withdrawn" // by the person who made it
)

// Person is a member of staff as proposals keep one.
type Person struct {
	Subject string // the provider's identifier of the person; empty for a command
	Name    string
}

// Is tells whether two are the same person: by the provider's identifiers or, when one
// of them used a command, which has none, by the names.
func (p Person) Is(other Person) bool {
	if p.Subject != "" && other.Subject != "" {
		return p.Subject == other.Subject
	}
	return strings.EqualFold(strings.TrimSpace(p.Name), strings.TrimSpace(other.Name))
}

// Proposal is an act that needs two persons: one proposes it, another approves it.
type Proposal struct {
	ID         int64
	What       OperatorActionKind // what is to be done
	Subject    string             // to what, as the act is recorded
	Details    json.RawMessage    // what else the act needs; nil when nothing
	Preview    Preview            // what the proposer was shown
	Reason     string
	ProposedAt time.Time
	Proposer   Person
	State      ProposalState
	DecidedAt  time.Time // zero while it is open
	Decider    Person
	Answer     string // why it was rejected or withdrawn
}

// ProposalSubject names a proposal in the records of acts.
func ProposalSubject(id int64) string { return fmt.Sprint("proposal ", id) }

// Preview is the money and the packages that an act will change, as far as it is known
// beforehand.
type Preview struct {
	Changes []PreviewChange `json:"changes,omitempty"` // at most MaxPreview
	More    int64           `json:"more,omitempty"`    // changes that are not listed
	Totals  []PreviewTotal  `json:"totals,omitempty"`  // of all changes, by currency
	Notes   []string        `json:"notes,omitempty"`   // what else should be known
}

// MaxPreview is how many changes a preview lists.
const MaxPreview = 500

// PreviewChange is what becomes of one invoice or package of an account.
type PreviewChange struct {
	AccountID int64  `json:"account_id"`
	InvoiceID string `json:"invoice_id,omitempty"`
	Period    Period `json:"period,omitempty"`
	Currency  string `json:"currency,omitempty"`
	Amount    Money  `json:"amount_minor"`  // as added to the invoice: a discount is negative
	SMS       int    `json:"sms,omitempty"` // of a package that went out and is not earned any more
}

// PreviewTotal is the sum of the changes in one currency.
type PreviewTotal struct {
	Currency string `json:"currency"`
	Accounts int64  `json:"accounts"`
	Amount   Money  `json:"amount_minor"`
}

// Approval is the consent of a second person to a proposal. The act that it allows is
// carried out in the transaction that records it.
type Approval struct {
	Proposal int64
	By       Person
}

// ProposalRefusal says why a proposal cannot be made or decided.
type ProposalRefusal struct {
	Why      ProposalObstacle
	Proposal int64
	By       string // who has proposed or decided it, where that matters
}

// ProposalObstacle is a reason of a [ProposalRefusal].
type ProposalObstacle string

// What stands against a proposal or its decision.
const (
	ProposalUnknown  ProposalObstacle = "unknown"
	ProposalPending  ProposalObstacle = "pending"  // the same act is proposed already
	ProposalDecided  ProposalObstacle = "decided"  // it is not open any more
	ProposalOwn      ProposalObstacle = "own"      // nobody approves what he has proposed
	ProposalMismatch ProposalObstacle = "mismatch" // it is about another act
)

// Error is the reason in a line.
func (e *ProposalRefusal) Error() string {
	switch e.Why {
	case ProposalUnknown:
		return fmt.Sprintf("there is no proposal %d", e.Proposal)
	case ProposalPending:
		return fmt.Sprintf("this is proposed already, by %s (proposal %d)", e.By, e.Proposal)
	case ProposalDecided:
		return fmt.Sprintf("proposal %d has been decided already, by %s", e.Proposal, e.By)
	case ProposalOwn:
		return fmt.Sprintf("%s has made proposal %d: another person has to approve it", e.By, e.Proposal)
	}
	return fmt.Sprintf("proposal %d is about something else", e.Proposal)
}
