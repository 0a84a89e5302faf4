package models

import "time"

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

// AdjustmentReason says what made a difference that was posted.
type AdjustmentReason string

// The reasons a document can have. Revoked is for a referral that was revoked, and for a
// revocation that was undone.
const (
	ReasonRun             AdjustmentReason = "run"
	ReasonLateFact        AdjustmentReason = "late-fact"
	ReasonInvoiceRevised  AdjustmentReason = "invoice-revised"
	ReasonRevoked         AdjustmentReason = "revoked"
	ReasonBookedElsewhere AdjustmentReason = "booked-elsewhere" // what an older system gave; never published
)

// AdjustmentItem is the difference on one line.
type AdjustmentItem struct {
	LineID   string
	Service  string
	Amount   Money     // desired minus posted, as added to the invoice
	Segments []Segment // of the desired discount, only days that have one
}

// SMSPackage is a package that went out: an entry of the ledger.
type SMSPackage struct {
	ID            UUID
	AccountID     int64
	SMS           int
	Ordinal       int
	GrantedOn     Date
	Period        Period
	PostingPeriod Period
	InvoiceID     string // empty when the account has no invoice in the period
	Step          int
}

// Published is a document or a package as it was published: one of both is not nil.
type Published struct {
	At         time.Time // when it was posted
	Adjustment *Adjustment
	Package    *SMSPackage // its posting period, which the message does not name, is 0
}

// AccountID is whose it is.
func (p *Published) AccountID() int64 {
	if p.Package != nil {
		return p.Package.AccountID
	}
	return p.Adjustment.AccountID
}

// ID is what identifies it.
func (p *Published) ID() UUID {
	if p.Package != nil {
		return p.Package.ID
	}
	return p.Adjustment.ID
}

// Untaken is something published that a restored ledger was not given.
type Untaken struct {
	Published
	Reason string
}

// TakenDocuments is what a restored ledger was given of what had been published.
type TakenDocuments struct {
	Documents, Packages int64
	Untaken             []Untaken
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

// ResultNone stands for no answer where documents are selected by their answer.
const ResultNone ResultStatus = "none"

// DocumentHistory is what happened to a document of the ledger since it was posted.
type DocumentHistory struct {
	PostedAt  time.Time // zero when it was not asked for
	Published bool
	Shadow    bool     // an older system bills its period: it is never published
	Answers   []Result // of billing
	Resends   []Resend // by time
	WriteOff  *WriteOff
}

// Resend is a request to publish a document again that billing has rejected.
type Resend struct {
	At         time.Time
	By         string
	Reason     string    // empty when none was given
	RejectedAt time.Time // how billing dated the answer that it replies to
	Published  bool
}

// WriteOff is the decision to settle a rejected document by hand.
type WriteOff struct {
	At     time.Time
	By     string
	Reason string
}

// LedgerDocument is an adjustment or a package of the ledger, and what happened to
// it since it was posted.
type LedgerDocument struct {
	DocumentHistory
	ID        UUID
	AccountID int64
	InvoiceID string // empty for a package on no invoice
	Period    Period
	Amount    Money // 0 for a package
	SMS       int   // size of the package; 0 for an adjustment
}
