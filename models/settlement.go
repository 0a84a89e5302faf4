package models

import (
	"slices"
	"time"
)

// SettlementInput is all that a settlement needs to know of one account.
type SettlementInput struct {
	AccountID int64
	Discounts []Discount
	Grants    []Grant      // earned, dated in the period that is settled
	Packages  []SMSPackage // gone out so far, of every period
	Earned    map[int]int  // packages earned by size, of every period
	Invoices  []InvoiceInput
	RevokedAt time.Time // when a referral of it was last revoked, or a revocation undone; zero for never
}

// InvoiceInput is one invoice at its current revision, and what the ledger
// already holds on it.
type InvoiceInput struct {
	Invoice  Invoice
	Sequence int       // of the last document; 0 for none
	Revision int       // of the invoice when that document was posted
	Settled  time.Time // when that was, or its period was first settled; zero for never
	Posted   []PostedLine
	Damage   error // why a document of it cannot be read; nil for none
}

// PostedLine is the sum of a line's items in the ledger.
type PostedLine struct {
	LineID  string
	Service string
	Amount  Money
}

// SettleFunc says what a run posts for one account. It is pure, so that the storage may
// call it again when a transaction is retried.
type SettleFunc = func(Run, *SettlementInput) SettlementResult

// SettlementResult is what a settlement posts for one account.
type SettlementResult struct {
	AccountID   int64
	Adjustments []Adjustment
	Packages    []SMSPackage
	Held        []HeldLine
	Decided     []HeldLine      // lines that would be held but for a decision of staff on their service
	Full        bool            // some day of some line had 100 %
	Discounted  bool            // some line has a discount
	Parked      []ParkedInvoice // nothing is posted on these
	Err         error           // the account is parked: nothing of it is posted
}

// ParkedInvoice is an invoice that could not be settled.
type ParkedInvoice struct {
	InvoiceID string
	Err       error
}

// Empty tells whether the account is owed nothing and gets nothing.
func (o *SettlementResult) Empty() bool {
	return len(o.Adjustments) == 0 && len(o.Packages) == 0 && len(o.Held) == 0 && !o.Discounted
}

// Park takes an invoice out of what is posted; all else of the account stays.
func (o *SettlementResult) Park(invoice string, err error) {
	o.Adjustments = slices.DeleteFunc(o.Adjustments, func(a Adjustment) bool { return a.InvoiceID == invoice })
	ofInvoice := func(h HeldLine) bool { return h.InvoiceID == invoice }
	o.Held, o.Decided = slices.DeleteFunc(o.Held, ofInvoice), slices.DeleteFunc(o.Decided, ofInvoice)
	o.Parked = append(o.Parked, ParkedInvoice{invoice, err})
}

// AllParked names what of the account is parked: all of it, or some invoices.
func (o *SettlementResult) AllParked() []ParkedAccount {
	if o.Err != nil {
		return []ParkedAccount{{AccountID: o.AccountID, Error: o.Err.Error()}}
	}
	var all []ParkedAccount
	for _, p := range o.Parked {
		all = append(all, ParkedAccount{AccountID: o.AccountID, InvoiceID: p.InvoiceID, Error: p.Err.Error()})
	}
	return all
}

// HeldLine is a line whose service the terms neither discount nor exclude: it gets no
// discount until they do.
type HeldLine struct {
	AccountID int64
	Period    Period
	InvoiceID string
	LineID    string
	Service   string
	Amount    Money
}

// Totals sums up a settlement, or a part of one.
type Totals struct {
	Accounts  int64 // with a discount, a document or a package
	Full      int64 // of them with 100 % somewhere
	Documents int64
	Items     int64
	Amount    Money // of the documents, signed
	Packages  int64
	SMS       int64
	HeldLines int64
	Parked    int64 // accounts, and single invoices of others
}

// Add sums two parts.
func (t Totals) Add(o Totals) Totals {
	return Totals{
		Accounts: t.Accounts + o.Accounts, Full: t.Full + o.Full,
		Documents: t.Documents + o.Documents, Items: t.Items + o.Items,
		Amount:   t.Amount.Add(o.Amount),
		Packages: t.Packages + o.Packages, SMS: t.SMS + o.SMS,
		HeldLines: t.HeldLines + o.HeldLines, Parked: t.Parked + o.Parked,
	}
}

// Count adds one account's outcome.
func (t *Totals) Count(o *SettlementResult) {
	t.Parked += int64(len(o.AllParked()))
	if o.Err != nil || o.Empty() {
		return
	}
	t.Accounts++
	if o.Full {
		t.Full++
	}
	for i := range o.Adjustments {
		t.Documents++
		t.Items += int64(len(o.Adjustments[i].Items))
		t.Amount = t.Amount.Add(o.Adjustments[i].Amount)
	}
	for i := range o.Packages {
		t.Packages++
		t.SMS += int64(o.Packages[i].SMS)
	}
	t.HeldLines += int64(len(o.Held))
}

// BookedRow is a row of a file of what an older system has given in a month.
type BookedRow struct {
	Line      int    `json:"line"`
	InvoiceID string `json:"invoice_id,omitempty"` // empty when the row names an account alone
	AccountID int64  `json:"account_id,omitempty"` // 0 when the row names an invoice alone
	Amount    Money  `json:"amount_minor"`         // as added to the invoice
}

// Given is what an older system has given in a month, as added to the invoices.
type Given interface {
	// OnInvoice is what it has given on an invoice, and the account that it names with it: 0
	// for none. named is false when it does not name the invoice.
	OnInvoice(invoice string) (amount Money, account int64, named bool)
	// OnAccount is what it has given on the invoices of an account together.
	OnAccount(account int64) (amount Money, named bool)
}

// BookedRows is a file of what an older system has given. Given sums its rows.
type BookedRows interface {
	Given
	EachRow(see func([]BookedRow) error) error // some at a time
}

// BookedFile is what became of a file of what an older system has given in a month.
type BookedFile struct {
	Period          Period    `json:"period"`
	RunID           int64     `json:"run"` // that has booked it
	SHA256          string    `json:"sha256"`
	Rows            int64     `json:"rows"`
	Amount          Money     `json:"amount_minor"` // of all rows, as added to invoices
	NotBooked       int64     `json:"not_booked"`   // rows
	NotBookedAmount Money     `json:"not_booked_minor"`
	At              time.Time `json:"at"`
}

// NotBookedReason is why a row of such a file is not booked.
type NotBookedReason string

// The reasons.
const (
	NotBookedUnknownInvoice NotBookedReason = "unknown-invoice"
	NotBookedUnknownAccount NotBookedReason = "unknown-account"
	NotBookedOtherMonth     NotBookedReason = "other-month" // the invoice is of the month that Detail names
	NotBookedNoInvoice      NotBookedReason = "no-invoice"  // the account has no invoice in the month
	NotBookedRefused        NotBookedReason = "refused"     // the account or the invoice is parked: Detail says why
	NotBookedMeanwhile      NotBookedReason = "meanwhile"   // something has come while it was booked: the ledger holds Detail
)

// NotBooked is a row that is not booked.
type NotBooked struct {
	Period Period `json:"period"`
	BookedRow
	Reason NotBookedReason `json:"reason"`
	Detail string          `json:"detail,omitempty"`
}

// Known tells whether the account and the invoice that the row names are known here.
func (b NotBooked) Known() bool {
	return b.Reason != NotBookedUnknownInvoice && b.Reason != NotBookedUnknownAccount
}
