package models

// AccountCase is all that a settlement needs to know of one account.
type AccountCase struct {
	AccountID int64
	Discounts []Discount
	Grants    []Grant      // earned, dated in the period that is settled
	Packages  []SMSPackage // gone out so far, of every period
	Earned    map[int]int  // packages earned by size, of every period
	Invoices  []InvoiceCase
}

// InvoiceCase is one invoice at its current revision, and what the ledger
// already holds on it.
type InvoiceCase struct {
	Invoice  Invoice
	Sequence int // of the last document; 0 for none
	Revision int // of the invoice when that document was posted
	Posted   []PostedLine
}

// PostedLine is the sum of a line's items in the ledger.
type PostedLine struct {
	LineID  string
	Service string
	Amount  Money
}

// AccountOutcome is what a settlement posts for one account.
type AccountOutcome struct {
	AccountID   int64
	Adjustments []Adjustment
	Packages    []SMSPackage
	Held        []HeldLine
	Full        bool  // some day of some line had 100 %
	Charged     Money // eligible amounts that a discount touched
	Err         error // the account is parked: nothing of it is posted
}

// Empty tells whether the account is owed nothing and gets nothing.
func (o *AccountOutcome) Empty() bool {
	return len(o.Adjustments) == 0 && len(o.Packages) == 0 && len(o.Held) == 0 && o.Charged == 0
}

// HeldLine is a line whose service is on no list: no discount until it is.
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
	Parked    int64
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
func (t *Totals) Count(o *AccountOutcome) {
	if o.Err != nil {
		t.Parked++
		return
	}
	if o.Empty() {
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
