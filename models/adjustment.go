package models

import "time"

// AdjustmentReason says what made a difference that was posted.
type AdjustmentReason string

// The reasons a document can have. Revoked is reserved (asyncapi.yaml) for a
// referral that is taken back.
const (
	ReasonRun            AdjustmentReason = "run"
	ReasonLateFact       AdjustmentReason = "late-fact"
	ReasonInvoiceRevised AdjustmentReason = "invoice-revised"
	ReasonRevoked        AdjustmentReason = "revoked"
)

// Adjustment is one document of the ledger: what was posted on one invoice by
// one settlement. It is never changed; a correction is a further document.
type Adjustment struct {
	ID              UUID
	Sequence        int // 1, 2, 3 … on its invoice
	AccountID       int64
	InvoiceID       string
	InvoiceRevision int
	Period          Period // of the invoice
	PostingPeriod   Period // differs once Period is closed
	Currency        string
	Amount          Money // sum of the items
	Reason          AdjustmentReason
	Items           []AdjustmentItem

	// Damage is why an item or its days cannot be read; nil for a document that is as it
	// was posted.
	Damage error
}

// ItemSum is the sum of the items, which a document as it was posted has as its amount.
func (a *Adjustment) ItemSum() Money {
	var sum Money
	for i := range a.Items {
		sum = sum.Add(a.Items[i].Amount)
	}
	return sum
}

// AdjustmentItem is the difference on one line.
type AdjustmentItem struct {
	LineID   string
	Service  string
	Amount   Money     // desired minus posted, as added to the invoice
	Segments []Segment // of the desired discount, only days that have one
}

// Result is billing's answer to an adjustment or a package.
type Result struct {
	AdjustmentID UUID
	AccountID    int64 // from the message key; 0 when it has none
	Status       ResultStatus
	Amount       Money
	Reason       string
	At           time.Time
	Provenance   Provenance // only for explain
}

// ResultStatus is whether billing booked an adjustment.
type ResultStatus string

// The two answers billing gives.
const (
	ResultApplied  ResultStatus = "applied"
	ResultRejected ResultStatus = "rejected"
)
