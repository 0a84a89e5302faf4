package models

import "time"

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
	Kind     string // "invitee", "inviter", "both", "unexplained" or "sms"; "discounts" or "packages" overall; "moved" in a signature
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
