package models

// AuditHead is what an audit finds that is not about one account.
type AuditHead struct {
	Closed           bool     // the period is signed off
	Shadow           bool     // and was settled beside an older system, if it is
	PreviousClosed   bool     // and so is the one before it
	Orphans          []Result // billing's answers to documents that the ledger does not hold
	ForeignDocuments int64    // posted into the period for others, which are closed
	ForeignAmount    Money
	Waiting          map[Period]int64  // packages of months before that no invoice has named
	Incomplete       []IncompleteChunk // not published, because the ledger does not show them whole
	Signatures       []Signature       // under the period, the oldest first; the newest counts while it is closed
	LastRun          int64             // the newest run of any period before which all have ended
	Acts             []OperatorAction  // on the period and on the terms in force
}

// AccountHistory is everything known of one account that bears on one period (or on
// all of them): the facts, what was derived from them, and the ledger.
type AccountHistory struct {
	Account     Account
	Activations []*Activation   // its own requests, by arrival
	Referrals   []Referral      // those it invited
	Decisions   []StaffDecision // on its own referral and on those it invited, the oldest first
	Agreed      []Discount      // agreed by an older system, by day
	Stored      Entitlements    // as derived when the facts arrived
	Invoices    []AuditInvoice
	Packages    []AuditPackage  // of every period
	Strays      []AuditDocument // documents of the period on invoices that are not there
	Parked      []ParkedAccount // by the last run of each period; only in a dossier
	Unnamed     []Period        // months of its packages that no invoice has named; only in a dossier
}

// Accepted is the account's accepted activation, nil when it has none.
func (c *AccountHistory) Accepted() *Activation {
	return Accepted(c.Activations)
}

// Answers is every answer of billing about the account's documents and packages.
func (c *AccountHistory) Answers() []*Result {
	var all []*Result
	of := func(h *DocumentHistory) {
		for i := range h.Answers {
			all = append(all, &h.Answers[i])
		}
	}
	for i := range c.Invoices {
		for j := range c.Invoices[i].Documents {
			of(&c.Invoices[i].Documents[j].DocumentHistory)
		}
	}
	for i := range c.Strays {
		of(&c.Strays[i].DocumentHistory)
	}
	for i := range c.Packages {
		of(&c.Packages[i].DocumentHistory)
	}
	return all
}

// AuditInvoice is an invoice at its highest revision with every document on it.
type AuditInvoice struct {
	Invoice    Invoice
	Provenance Provenance      // only for explain
	Documents  []AuditDocument // by sequence
}

// AuditDocument is an adjustment of the ledger with what happened to it.
type AuditDocument struct {
	Adjustment
	DocumentHistory
	RunID int64
}

// AuditPackage is a package of the ledger with what happened to it.
type AuditPackage struct {
	SMSPackage
	DocumentHistory
	RunID    int64
	Imported bool // an older system has given it: no run, and no answer of billing
}

// Answer is the answer that counts among several: the latest, and of two with the same
// time the rejection. Source: docs/rules.md, "Answers of billing".
func Answer(answers []Result) (Result, bool) {
	var last Result
	for i, a := range answers {
		if i == 0 || a.At.After(last.At) || a.At.Equal(last.At) && a.Status > last.Status {
			last = a
		}
	}
	return last, len(answers) > 0
}

// LoneRow is a revision of an invoice, or an answer of billing, that only one of two
// schemas has.
type LoneRow struct {
	AccountID  int64
	What       string // revision or answer
	Row        string // its key and its content, as a text
	Elsewhere  bool   // the other schema has it
	Provenance Provenance
}
