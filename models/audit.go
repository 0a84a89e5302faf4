package models

import "time"

// AuditHead is what an audit finds that concerns no one account.
type AuditHead struct {
	Closed           bool     // the period is signed off
	PreviousClosed   bool     // and so is the one before it
	Orphans          []Result // billing's answers to documents that the ledger does not hold
	ForeignDocuments int64    // posted into the period for others, which are closed
	ForeignAmount    Money
	Waiting          map[Period]int64  // packages of months before that no invoice has named
	Incomplete       []IncompleteChunk // not published, because the ledger does not show them whole
}

// AuditCase is everything known of one account that bears on one period (or on
// all of them): the facts, what was derived from them, and the ledger.
type AuditCase struct {
	Account     Account
	Activations []*Activation // its own requests, by arrival
	Referrals   []Referral    // those it invited
	Stored      Standing      // as derived when the facts arrived
	Invoices    []AuditInvoice
	Packages    []AuditPackage  // of every period
	Strays      []AuditDocument // documents of the period on invoices that are not there
	Unnamed     []Period        // months of its packages that no invoice has named; only in a dossier
}

// Accepted is the account's accepted activation, nil when it has none.
func (c *AuditCase) Accepted() *Activation {
	for _, a := range c.Activations {
		if a.Status == ActivationAccepted {
			return a
		}
	}
	return nil
}

// AuditInvoice is an invoice at its highest revision with every document on it.
type AuditInvoice struct {
	Invoice   Invoice
	Documents []AuditDocument // by sequence
}

// AuditDocument is a document of the ledger, whether it went out, and what
// billing answered.
type AuditDocument struct {
	Adjustment
	PostedAt  time.Time
	Published bool
	Answers   []Result
	Resends   []Resend // by time
	WriteOff  *WriteOff
}

// AuditPackage is a package of the ledger likewise.
type AuditPackage struct {
	SMSPackage
	PostedAt  time.Time
	Published bool
	Answers   []Result
	Resends   []Resend
	WriteOff  *WriteOff
}

// Answer is the answer that counts among several: the latest.
func Answer(answers []Result) (Result, bool) {
	var last Result
	for i, a := range answers {
		if i == 0 || a.At.After(last.At) || a.At.Equal(last.At) && a.Event.String() > last.Event.String() {
			last = a
		}
	}
	return last, len(answers) > 0
}
