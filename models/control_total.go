package models

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// CountedAmount is a sum with the number of its parts: lines of invoices, or packages.
type CountedAmount struct {
	Count  int64
	Amount Money
}

// Counted is an amount with the number of its parts.
func Counted(count int64, amount Money) CountedAmount { return CountedAmount{count, amount} }

// Add sums two.
func (t CountedAmount) Add(o CountedAmount) CountedAmount {
	return CountedAmount{t.Count + o.Count, t.Amount.Add(o.Amount)}
}

// TotalKey is a line of the control totals: which kind of discount (or package),
// and how much.
type TotalKey struct {
	Kind     string // "invitee", "inviter", "both", "agreed", "mixed", "unexplained" or "sms"; "discounts" or "packages" overall; "moved" in a signature
	Percent  int    // of the discount, or the size of the package; 0 overall
	Currency string // empty for packages
}

// Control is the totals that must agree: what the facts entitle clients to, what the
// ledger holds, what the broker has, and what billing booked together with what
// finance settled by hand.
type Control struct {
	Entitled   CountedAmount
	Posted     CountedAmount
	Published  CountedAmount
	Answered   CountedAmount
	WrittenOff CountedAmount
}

// ControlTotal is a line of the control totals.
type ControlTotal struct {
	TotalKey
	Control
}

// Add sums two.
func (c Control) Add(o Control) Control {
	return Control{
		Entitled: c.Entitled.Add(o.Entitled), Posted: c.Posted.Add(o.Posted),
		Published: c.Published.Add(o.Published), Answered: c.Answered.Add(o.Answered),
		WrittenOff: c.WrittenOff.Add(o.WrittenOff),
	}
}

// Ties tells whether the totals agree.
func (c Control) Ties() bool {
	return c.Entitled == c.Posted && c.Posted == c.Published && c.Published == c.Answered.Add(c.WrittenOff)
}

// Signature is finance's sign-off of a period, with what was signed.
type Signature struct {
	Period     Period
	At         time.Time
	Who        string
	Reason     string
	Override   string        // why the period was closed in spite of the objections
	Objections []string      // what stood against closing it
	LastRun    int64         // what later runs post to the period's documents is a correction
	Foreign    CountedAmount // documents posted into the period for closed ones
	Totals     []ControlTotal

	// Of a signature of two persons, Who has approved it; of a command's, these are empty.
	ProposedBy string
	ProposedAt time.Time
	Role       Role // of the person who approves

	// These are not kept with the signature.
	Against []string  // how the objections begin that Override is about; nil: it is about all
	Order   *RunOrder // that it carries out; nil for none
}

// Overrides tells whether the period is closed in spite of objections.
func (s *Signature) Overrides(objections []string) bool {
	meant := func(objection string) bool {
		return s.Against == nil || slices.ContainsFunc(s.Against, func(begins string) bool { return strings.HasPrefix(objection, begins) })
	}
	return len(objections) == 0 || s.Override != "" && !slices.ContainsFunc(objections, func(objection string) bool { return !meant(objection) })
}

// ErrPostedMeanwhile says that a run has posted to a period since the totals to be
// signed were taken: they have to be taken again.
var ErrPostedMeanwhile = errors.New("a run has posted to it since its totals were taken")

// ErrOrderLost says that another process carries an order out.
var ErrOrderLost = errors.New("another process has taken the order up")

// NotClosed says why a period is not closed.
type NotClosed struct {
	Period     Period
	Already    *Signature // it is closed by this
	Obstacles  []string   // hold whatever anybody says
	Objections []string   // may be overridden
}

// Error is all reasons in a line.
func (e *NotClosed) Error() string {
	if e.Already != nil {
		return fmt.Sprintf("period %s is closed already: signed by %s on %s", e.Period, e.Already.Who, e.Already.At.Format(time.RFC3339))
	}
	return fmt.Sprintf("period %s cannot be closed: %s", e.Period, strings.Join(slices.Concat(e.Obstacles, e.Objections), "; "))
}

// NotReopened says why a period stays closed, or was not closed.
type NotReopened struct{ Why string }

// Error is the reason in a line.
func (e *NotReopened) Error() string { return "it cannot be reopened: " + e.Why }

// FreezeFunc makes the report that is signed, in its canonical form, from a signature as
// it is recorded and from what waits in the period at that moment.
type FreezeFunc func(s *Signature, waiting *Waiting) ([]byte, error)

// Waiting is what waits in a period: for a run, or for a person.
type Waiting struct {
	Stale  int64                    // accounts to be settled again
	Held   map[string]CountedAmount // lines of services that neither the terms nor staff has decided about, by service
	Parked []ParkedAccount          // that its last run could not settle

	Services []ServiceDecision // of staff, in force for every period, by service
}

// SignedReport is the report that was signed under a period. It never changes.
type SignedReport struct {
	Signature int64
	Period    Period
	SHA256    [sha256.Size]byte // of Canonical
	Canonical []byte
}

// Register is all documents and packages that were posted into a period, as digests of
// their list: see docs/finance.ru.md.
type Register struct {
	Documents       CountedAmount
	DocumentsSHA256 [sha256.Size]byte
	Packages        int64
	SMS             int64
	PackagesSHA256  [sha256.Size]byte
}

// PostedElsewhere is what was posted between two periods, because the earlier one was
// closed.
type PostedElsewhere struct {
	Period    Period // the other one
	Documents CountedAmount
	Packages  int64
}

// Ledger is what a ledger holds of a period, besides the control totals.
type Ledger struct {
	Register Register
	Into     []PostedElsewhere // posted into the period for others, by the period of the invoice
	Away     []PostedElsewhere // posted for the period into others, by the period that carries it
}

// ReconciliationReport is what a reconciliation found, as it is kept.
type ReconciliationReport struct {
	CheckedAt time.Time      `json:"checked_at"`
	Accounts  int64          `json:"accounts"`
	Invoices  int64          `json:"invoices"`
	Documents int64          `json:"documents"`
	Packages  int64          `json:"packages"`
	OnTheWay  int64          `json:"on_the_way"` // posted a short while before, and not answered yet
	Overall   []ControlTotal `json:"overall"`
	Totals    []ControlTotal `json:"totals"`
	Breaks    []KeptBreak    `json:"breaks"` // the first of them
	Wrong     int64          `json:"wrong"`  // breaks in all
	Notices   int64          `json:"notices"`

	// What reports of earlier releases do not have.
	Kinds    map[string]int64 `json:"kinds,omitempty"` // breaks by kind
	Services []ServiceTotal   `json:"services,omitempty"`
	Steps    []StepCount      `json:"steps,omitempty"`  // on the last day of the period
	Causes   []ChangeCause    `json:"causes,omitempty"` // of the change against the period before
	Lacking  CountedAmount    `json:"lacking"`          // accounts, and kopecks, entitled but not discounted
	Excess   CountedAmount    `json:"excess"`           // accounts, and kopecks, discounted but not entitled
}

// ServiceTotal is the control totals of the lines of one service.
type ServiceTotal struct {
	Service  string `json:"service"`
	Currency string `json:"currency"`
	Control
}

// StepCount is how many accounts have a discount on a day, by kind and step.
type StepCount struct {
	Kind     DiscountKind `json:"kind"`
	Step     int          `json:"step"` // of the ladder; 0 for a discount of an invitee
	Percent  int          `json:"percent"`
	Accounts int64        `json:"accounts"`
}

// ChangeCause is by how much a cause changes what a period's facts entitle clients to,
// against the period before.
type ChangeCause struct {
	Cause    string `json:"cause"`
	Accounts int64  `json:"accounts"`
	Amount   Money  `json:"amount"` // negative: larger discounts
}

// KeptBreak is one thing that did not tie.
type KeptBreak struct {
	Kind       string `json:"kind"`
	AccountID  int64  `json:"account_id"`
	InvoiceID  string `json:"invoice_id"`
	DocumentID UUID   `json:"document_id"`
	Expected   Money  `json:"expected"`
	Actual     Money  `json:"actual"`
	Detail     string `json:"detail"`
}
