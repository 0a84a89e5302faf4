package models

import "time"

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

// DocumentHistory is what happened to a document of the ledger since it was posted.
type DocumentHistory struct {
	PostedAt  time.Time // zero when it was not asked for
	Published bool
	Answers   []Result // of billing
	Resends   []Resend // by time
	WriteOff  *WriteOff
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
