package models

import (
	"iter"
	"time"
)

// AuditHead is what an audit finds that concerns no one account.
type AuditHead struct {
	Closed           bool     // the period is signed off
	PreviousClosed   bool     // and so is the one before it
	Orphans          []Result // billing's answers to documents that the ledger does not hold
	ForeignDocuments int64    // posted into the period for others, which are closed
	ForeignAmount    Money
	Waiting          map[Period]int64  // packages of months before that no invoice has named
	Incomplete       []IncompleteChunk // not published, because the ledger does not show them whole
	Signatures       []Signature       // under the period, the oldest first; the newest counts while it is closed
	LastRun          int64             // the newest run of any period
	Acts             []OperatorAction  // of persons, on the period and on the terms in force
}

// AccountHistory is everything known of one account that bears on one period (or on
// all of them): the facts, what was derived from them, and the ledger.
type AccountHistory struct {
	Account     Account
	Activations []*Activation // its own requests, by arrival
	Referrals   []Referral    // those it invited
	Stored      Entitlements  // as derived when the facts arrived
	Invoices    []AuditInvoice
	Packages    []AuditPackage  // of every period
	Strays      []AuditDocument // documents of the period on invoices that are not there
	Parked      []ParkedAccount // by the last run of each period; only in a dossier
	Unnamed     []Period        // months of its packages that no invoice has named; only in a dossier
}

// Accepted is the account's accepted activation, nil when it has none.
func (c *AccountHistory) Accepted() *Activation {
	for _, a := range c.Activations {
		if a.Status == ActivationAccepted {
			return a
		}
	}
	return nil
}

// Answers is every answer of billing about the account's documents and packages.
func (c *AccountHistory) Answers() iter.Seq[*Result] {
	return func(yield func(*Result) bool) {
		var all [][]Result
		for i := range c.Invoices {
			for j := range c.Invoices[i].Documents {
				all = append(all, c.Invoices[i].Documents[j].Answers)
			}
		}
		for i := range c.Strays {
			all = append(all, c.Strays[i].Answers)
		}
		for i := range c.Packages {
			all = append(all, c.Packages[i].Answers)
		}
		for _, answers := range all {
			for i := range answers {
				if !yield(&answers[i]) {
					return
				}
			}
		}
	}
}

// AuditInvoice is an invoice at its highest revision with every document on it.
type AuditInvoice struct {
	Invoice    Invoice
	Provenance Provenance      // only in a dossier
	Documents  []AuditDocument // by sequence
}

// AuditDocument is a document of the ledger, whether it went out, and what
// billing answered.
type AuditDocument struct {
	Adjustment
	RunID     int64
	PostedAt  time.Time
	Published bool
	Answers   []Result
	Resends   []Resend // by time
	WriteOff  *WriteOff
}

// AuditPackage is a package of the ledger likewise.
type AuditPackage struct {
	SMSPackage
	RunID     int64
	PostedAt  time.Time
	Published bool
	Answers   []Result
	Resends   []Resend
	WriteOff  *WriteOff
}

// Answer is the answer that counts among several: the latest. Of two at one
// moment, the rejection does, so that somebody looks at it.
func Answer(answers []Result) (Result, bool) {
	var last Result
	for i, a := range answers {
		if i == 0 || a.At.After(last.At) || a.At.Equal(last.At) && a.Status > last.Status {
			last = a
		}
	}
	return last, len(answers) > 0
}
