package models

import (
	"fmt"
	"time"
)

// RunKind is what a run looks at.
type RunKind string

// The month's own run and a full repetition look at every account that may be
// owed something; a run of differences only at those that a later fact touched.
const (
	RunRegular     RunKind = "regular"
	RunDifferences RunKind = "differences"
	RunFull        RunKind = "full"
	// RunBooked brings the ledger of a period of the shadow mode to what an older system
	// has given.
	RunBooked RunKind = "booked"
)

// RunState is how far a run has got.
type RunState string

// A run is rehearsed, checked against the brake and posted. It ends as done or, with
// parked accounts, as incomplete. A braked run waits for a person, and is abandoned when
// it is started again.
const (
	RunRehearsing RunState = "rehearsing"
	RunBraked     RunState = "braked"
	RunPosting    RunState = "posting"
	RunDone       RunState = "done"
	RunIncomplete RunState = "incomplete"
	RunAbandoned  RunState = "abandoned"
)

// Run is one settlement of a period.
type Run struct {
	ID            int64
	Period        Period
	PostingPeriod Period
	Kind          RunKind
	State         RunState
	Accepted      bool // by a person, who lets it pass the brake
	// The total that was accepted: the run passes while it comes to about that. Nil with
	// Accepted: it passes whatever it comes to.
	AcceptedAmount *Money
	Brake          string
	Shadow         bool // nothing of it is published: an older system bills the period
	StartedAt      time.Time
	FinishedAt     time.Time
	Totals         Totals
}

// Active tells whether work is left.
func (r Run) Active() bool { return r.State == RunRehearsing || r.State == RunPosting }

// RunRequest asks for a run.
type RunRequest struct {
	Period Period
	Slot   string // the scheduled time it stands for; empty when a person asks
	Full   bool   // look at every account again
	Accept bool   // By lets it pass the brake
	Amount *Money // that was accepted; nil: whatever the run comes to
	By     string
	Reason string
	Needed bool // make no run when there is nothing to look at
	Shadow bool // settle beside an older system
	Booked bool // bring the ledger to what that one has given
	Chunk  int  // accounts per chunk
}

// ErrOtherMode says that a period is settled in the other mode: what an older system bills
// is never published, and what was published is never settled in shadow mode.
type ErrOtherMode struct {
	Period Period
	Shadow bool // the period was settled in shadow mode
	Closed bool
}

// Error says what to do.
func (e *ErrOtherMode) Error() string {
	if e.Shadow && e.Closed {
		return fmt.Sprintf("%s is closed: what has changed in it since is posted when shadow mode has ended", e.Period)
	}
	if e.Shadow {
		return fmt.Sprintf("%s was settled in shadow mode: close it with what the older system has given, `referral close %[1]s --booked FILE --by NAME`", e.Period)
	}
	return fmt.Sprintf("%s was settled to be published: shadow mode settles only periods that were not; switch publisher.shadow off", e.Period)
}

// PeriodState is how far a period has got.
type PeriodState string

// A period is open, then run, then closed by finance.
const (
	PeriodOpen   PeriodState = "open"
	PeriodRun    PeriodState = "run"
	PeriodClosed PeriodState = "closed"
	// PeriodRehearsed is shown of an open period that has been rehearsed, and not run.
	PeriodRehearsed PeriodState = "rehearsed"
)

// PeriodInfo is a period with its state.
type PeriodInfo struct {
	Period    Period
	State     PeriodState
	StartedAt time.Time // zero: no run has looked at it yet
	SettledAt time.Time
	ClosedAt  time.Time
	ClosedBy  string
	Stale     int64 // accounts to settle again
	Braked    bool  // a run of it waits for a person
	Shadow    bool  // settled beside an older system
}

// ParkedAccount is an account that a run could not settle, or one invoice of it.
type ParkedAccount struct {
	AccountID int64
	InvoiceID string // empty: all of the account
	Period    Period // of the run; zero in what has not been kept
	Error     string
	Since     time.Time `json:",omitzero"` // when a run of the period first parked it; zero except in ParkedNow
}

// String says what is parked, and why.
func (p ParkedAccount) String() string {
	if p.InvoiceID == "" {
		return fmt.Sprintf("account %d: %s", p.AccountID, p.Error)
	}
	return fmt.Sprintf("invoice %s of account %d: %s", p.InvoiceID, p.AccountID, p.Error)
}

// RunOrderKind is what a person asks the scheduler to do with a period.
type RunOrderKind string

// The orders. An accepted run may pass the brake: two persons have agreed to it.
const (
	OrderRehearsal   RunOrderKind = "rehearse"
	OrderRun         RunOrderKind = "run"
	OrderAcceptedRun RunOrderKind = "accept-run"
	OrderWhatIf      RunOrderKind = "what-if" // compares months with what they would have cost under other terms
	OrderSign        RunOrderKind = "sign"    // signs a month, to which two persons have agreed
)

// RunOrderState is what became of an order.
type RunOrderState string

// An order waits for a scheduler, is worked on by one, and ends.
const (
	OrderWaiting RunOrderState = "waiting"
	OrderWorking RunOrderState = "working"
	OrderDone    RunOrderState = "done"
	OrderFailed  RunOrderState = "failed"
)

// RunOrder is a person's order for a run, a rehearsal, a what-if or a signature, which a
// scheduler carries out.
type RunOrder struct {
	ID         int64
	Period     Period // the last month of a what-if
	From       Period // the first month of a what-if; 0 in other orders
	Terms      string // the other terms of a what-if, as JSON
	What       RunOrderKind
	Full       bool   // look at every account again
	Accepted   *Money // of an accepted run: the total that two persons saw; nil: whatever it comes to
	By         Person
	At         time.Time
	State      RunOrderState
	Attempt    int       // how often a process has taken it up
	Seen       time.Time // when the process that works on it last said so
	Through    int       // chunks of a rehearsal, months of a what-if or accounts of a signature that are done
	All        int       // chunks, months or accounts; 0 until they are known
	FinishedAt time.Time
	Error      string          // why it failed
	Rehearsal  *Rehearsal      // what a rehearsal found; nil until it is done, and in lists
	Comparison *RunComparison  // with the run that followed; nil until that has ended, and in lists
	Corrected  []RunComparison // with the runs of signed months that followed, by month; none in lists
	WhatIf     []byte          // what a what-if found, as JSON; nil until it is done, and in lists
	Signing    *Signing        // what is to be signed; nil in other orders, and in lists
}

// Signing is what two persons have agreed on: the month of the order is signed by the
// person who orders, unless something stands against it.
type Signing struct {
	Role       Role      `json:"role"` // of the person who orders
	Reason     string    `json:"reason"`
	ProposedBy string    `json:"proposed_by"`
	ProposedAt time.Time `json:"proposed_at"`
	Override   string    `json:"override,omitempty"`   // why in spite of objections; empty for in spite of none
	Against    []string  `json:"against,omitempty"`    // how these begin
	Objections []string  `json:"objections,omitempty"` // known when it was ordered
	// What was posted into the month when it was proposed. Nil of an order of a version that
	// did not keep it.
	Register   *CountedAmount `json:"register,omitempty"`
	Refused    []string       `json:"refused,omitempty"`    // why the month was not signed, as far as it is the month
	ApprovedAt time.Time      `json:"approved_at,omitzero"` // of an order that repeats another; zero for when it was ordered
}

// SigningApproval is how long the approval of two persons allows a signature that has
// failed to be tried again.
const SigningApproval = 24 * time.Hour

// Again is the order that tries a signature again by the approval of this one, which has
// failed. allowed is false when it has not failed, or when the approval is too old.
func (o *RunOrder) Again(now time.Time) (again RunOrder, allowed bool) {
	if o.What != OrderSign || o.State != OrderFailed || o.Signing == nil {
		return again, false
	}
	signing := *o.Signing
	signing.Refused = nil
	if signing.ApprovedAt.IsZero() {
		signing.ApprovedAt = o.At
	}
	return RunOrder{Period: o.Period, What: OrderSign, By: o.By, Signing: &signing}, !now.After(signing.ApprovedAt.Add(SigningApproval))
}

// Months is the months of a what-if, the first one first.
func (o *RunOrder) Months() (months []Period) {
	for p := o.From; p <= o.Period; p = p.Next() {
		months = append(months, p)
	}
	return months
}

// Active tells whether the order has not ended.
func (o *RunOrder) Active() bool { return o.State == OrderWaiting || o.State == OrderWorking }

// Rehearsal is what a rehearsed run would post, as it is kept. Amounts are those of the
// documents: a discount is negative.
type Rehearsal struct {
	AsOf     time.Time           `json:"as_of"`    // it has seen the facts up to here
	Terms    string              `json:"terms"`    // digest of the terms it was made by
	Accounts int64               `json:"accounts"` // that it looked at
	Run      RehearsedRun        `json:"run"`
	Before   Totals              `json:"before"`             // posted by the runs of the month before
	Carried  []RehearsedRun      `json:"carried,omitempty"`  // differences of closed periods, posted along with it
	Services []ServiceSum        `json:"services,omitempty"` // of the run's own documents, the largest first
	Percents []PercentSum        `json:"percents,omitempty"` // the same, by the largest percent of a line
	Largest  []RehearsedDocument `json:"largest,omitempty"`  // of all documents, the largest first
	Changed  []AccountChange     `json:"changed,omitempty"`  // against the month before, the largest first
	NewFull  []int64             `json:"new_full,omitempty"` // accounts at 100 % that had less on the last day of the month before
	FullMore int64               `json:"full_more,omitempty"`
	Parked   []ParkedAccount     `json:"parked,omitempty"` // the first of those that cannot be settled
	Held     []HeldService       `json:"held,omitempty"`   // services that the terms do not name, the most lines first
}

// RehearsedRun is what one run would come to.
type RehearsedRun struct {
	Period        Period   `json:"period"`
	PostingPeriod Period   `json:"posting_period"`
	Kind          RunKind  `json:"kind"`
	Totals        Totals   `json:"totals"`
	Brake         []string `json:"brake,omitempty"` // the limits that it exceeds
}

// ServiceSum is the discounts on a service.
type ServiceSum struct {
	Service string `json:"service"`
	Lines   int64  `json:"lines"`
	Amount  Money  `json:"amount_minor"`
}

// PercentSum is the discounts on lines with the same largest percent; 0 takes back what
// was posted.
type PercentSum struct {
	Percent int   `json:"percent"`
	Lines   int64 `json:"lines"`
	Amount  Money `json:"amount_minor"`
}

// RehearsedDocument is a document that would be posted.
type RehearsedDocument struct {
	AccountID int64            `json:"account_id"`
	InvoiceID string           `json:"invoice_id"`
	Period    Period           `json:"period"`
	Currency  string           `json:"currency"`
	Amount    Money            `json:"amount_minor"`
	Reason    AdjustmentReason `json:"reason"`
}

// AccountChange is an account's discounts of a month and of the month before.
type AccountChange struct {
	AccountID int64 `json:"account_id"`
	Before    Money `json:"before_minor"`
	Now       Money `json:"now_minor"`
}

// Difference is by how much the account's documents have changed.
func (c *AccountChange) Difference() Money { return c.Now.Add(-c.Before) }

// HeldService is the lines of a service that the terms do not name.
type HeldService struct {
	Service string `json:"service"`
	Lines   int64  `json:"lines"`
	Amount  Money  `json:"amount_minor"`
}

// RehearsedAmount is what a rehearsal would post for one account, and by what.
type RehearsedAmount struct {
	Period    Period // the signed month that is corrected; 0 for the month of the rehearsal
	AccountID int64
	Documents int64
	Amount    Money
	Packages  int64
	Parked    int64              // the account, or invoices of it
	Full      bool               // a day of a line has 100 %
	Reasons   []AdjustmentReason // of the documents, each once
	Basis     SettlementBasis    // not in lists
}

// SettlementBasis is what a settlement went by: another outcome has another basis.
type SettlementBasis struct {
	Invoices  []BasisInvoice `json:"invoices,omitempty"`
	Discounts []Discount     `json:"discounts,omitempty"`
	Earned    map[int]int    `json:"earned,omitempty"` // packages by size
}

// BasisInvoice is an invoice as a settlement saw it.
type BasisInvoice struct {
	ID       string `json:"id"`
	Revision int    `json:"revision"`
	Sequence int    `json:"sequence,omitempty"` // of the last document on it

	Decided map[string]ServiceClass `json:"decided,omitempty"` // what staff had decided about services of its lines
}

// RunComparison is a rehearsal beside the run that followed it.
type RunComparison struct {
	Run         int64             `json:"run"`
	Period      Period            `json:"period,omitempty"` // the signed month that the run has corrected; 0 for the month of the rehearsal
	StartedAt   time.Time         `json:"started_at"`
	Kind        RunKind           `json:"kind"`
	Posted      Totals            `json:"posted"`
	OtherTerms  bool              `json:"other_terms,omitempty"` // the terms have changed in between
	Accounts    int64             `json:"accounts"`              // that differ
	Unexplained int64             `json:"unexplained"`           // of those named
	Named       []AccountOutcomes `json:"named,omitempty"`       // the largest differences first
}

// AccountOutcomes is an account for which a run has posted other than was rehearsed.
type AccountOutcomes struct {
	AccountID int64            `json:"account_id"`
	Rehearsed Outcome          `json:"rehearsed"`
	Posted    Outcome          `json:"posted"`
	Facts     []DifferenceFact `json:"facts,omitempty"` // what explains it; none: nothing does
	Basis     *SettlementBasis `json:"-"`               // of the rehearsal; nil when it has not looked at the account
	Parked    bool             `json:"-"`               // in the rehearsal
}

// Outcome is what a run posts for one account.
type Outcome struct {
	Documents int64 `json:"documents"`
	Amount    Money `json:"amount_minor"`
	Packages  int64 `json:"packages"`
}

// DifferenceKind is a kind of fact that makes a run differ from its rehearsal.
type DifferenceKind string

// What may have happened between a rehearsal and the run.
const (
	DiffInvoiceCame    DifferenceKind = "invoice-came"    // To is its revision
	DiffInvoiceRevised DifferenceKind = "invoice-revised" // revision From, then To
	DiffInvoiceMoved   DifferenceKind = "invoice-moved"   // to another period
	DiffDocumentPosted DifferenceKind = "document-posted" // by another run: sequence From, then To
	DiffPercent        DifferenceKind = "percent"         // From, then To, on Day
	DiffActivation     DifferenceKind = "activation"      // account Other entered the code on Day
	DiffPromoEnded     DifferenceKind = "promo-ended"     // on Day
	DiffTerminated     DifferenceKind = "terminated"      // on Day
	DiffService        DifferenceKind = "service"         // staff has decided about the service Detail of the invoice, or undone that
	DiffDecision       DifferenceKind = "decision"        // of staff, of the kind Detail, on account Other
	DiffPackage        DifferenceKind = "package"         // From, then To packages of Other SMS earned
	DiffParked         DifferenceKind = "parked"          // by the run; Detail says why
	DiffWasParked      DifferenceKind = "was-parked"      // by the rehearsal
	DiffTerms          DifferenceKind = "terms"           // other terms are in force
)

// DifferenceFact is what explains a difference. Which fields say something depends on
// the kind.
type DifferenceFact struct {
	Kind       DifferenceKind `json:"kind"`
	InvoiceID  string         `json:"invoice_id,omitempty"`
	Discount   DiscountKind   `json:"discount,omitempty"`
	Day        Date           `json:"day,omitempty"`
	From       int            `json:"from,omitempty"`
	To         int            `json:"to,omitempty"`
	Other      int64          `json:"other,omitempty"`
	Detail     string         `json:"detail,omitempty"`
	Provenance *Provenance    `json:"provenance,omitempty"` // nil: not known
}

// Stats is what an operator watches and only the storage knows.
type Stats struct {
	Accounts           int64 // an estimate
	PendingActivations int64 // wait for a registration
	Promised           int64 // discounts that wait for a promo end
	Stale              int64 // marks that wait for the nightly catch-up
	DeadLetters        int64 // that wait for a person
	Held               map[string]int64
	PendingPackages    map[Period]int64         // of months past that no invoice has named
	Runs               map[RunState]int64       // that want attention or work
	Breaks             map[Period]int64         // of the last reconciliation
	Lacking            map[Period]CountedAmount // accounts, and kopecks, entitled but not discounted, by the last reconciliation
	Excess             map[Period]CountedAmount // accounts, and kopecks, discounted but not entitled
	Parked             int64                    // accounts and invoices, by the last run of each period
	Rejected           int64                    // documents whose rejection waits for a person
	LastSuccess        time.Time
	LastSettled        Period                  // the newest that was over when a run settled it with nothing parked; zero without any
	RunOrders          map[RunOrderState]int64 // that have not ended
	OldestOrder        time.Time               // of those; zero without any
	JournalChecked     time.Time               // when the whole journal was last verified; zero before the first time
	JournalFaults      int64                   // that were found then
}
