package models

import (
	"strings"
	"time"
)

// Fact is something that happened. What it says identifies it, not the event that
// brought it: the same fact in another event is a repeat.
type Fact struct {
	At         time.Time
	Provenance Provenance
	Data       FactData
}

// Origin is the place of a message on its topic.
type Origin struct {
	Topic     string
	Partition int
	Offset    int64
}

// Provenance is where a fact came from, so that its message can be found again
// years later: a message, or a request at the personal account.
type Provenance struct {
	Origin            // of the message; zero for a request
	Request UUID      // zero for a message
	At      time.Time // when the message was written, or the request first made
}

// ImportedFrom is the topic of a fact that came in a file of an older system; its offset
// is the line.
func ImportedFrom(file string) string { return importTopic + file }

const importTopic = "import:"

// File is the file of an older system that a fact came in; empty for one that came
// otherwise.
func (o Origin) File() string {
	file, imported := strings.CutPrefix(o.Topic, importTopic)
	if !imported {
		return ""
	}
	return file
}

// FactData is one of Registered, PromoEnded, Terminated, ActivationRequested,
// StaffDecision, *Invoice or Result, or what an older system has told: ImportedAccount,
// ImportedReferral, ImportedPackage or AgreedDiscount.
type FactData interface {
	// Account is the account the fact is about; 0 when the message does not say.
	Account() int64
}

// Registered says that an account has registered its PBX.
type Registered struct {
	AccountID    int64
	RegisteredAt time.Time
	Profile      Profile
}

// PromoEnded says that an account's promo period has ended.
type PromoEnded struct {
	AccountID int64
	EndedAt   time.Time
}

// Terminated says that an account has left.
type Terminated struct {
	AccountID    int64
	TerminatedAt time.Time
}

// ActivationRequested says that an account has entered a code.
type ActivationRequested struct {
	AccountID   int64
	Code        string
	RequestedAt time.Time
}

// ImportedAccount is what an older system knew of an account. What is zero it did not
// say. Any message about the account goes before it.
type ImportedAccount struct {
	AccountID    int64
	Name         string
	TaxID        string
	RegisteredAt time.Time
	PromoEndsAt  time.Time // also one that is still to come
	TerminatedAt time.Time
	Code         string // in its normal form
}

// ImportedReferral says that an older system has accepted an account's code for another
// one. It is not judged again.
type ImportedReferral struct {
	InviterID   int64
	InviteeID   int64
	ActivatedAt time.Time
	Withdrawn   bool // it was told before, and is not any more
}

// ImportedPackage is an SMS package that an older system has given.
type ImportedPackage struct {
	AccountID int64
	SMS       int
	GivenOn   Date
	Replaces  Date // the day that was told for it before; 0 for none
	Withdrawn bool
}

// AgreedDiscount is a discount that an older system has agreed with a client outside the
// rules. Those of one account do not overlap.
type AgreedDiscount struct {
	AccountID int64
	From, To  Date // [From, To)
	Percent   int
	Withdrawn bool
}

// Account is the account that was imported.
func (f ImportedAccount) Account() int64 { return f.AccountID }

// Account is the invitee.
func (f ImportedReferral) Account() int64 { return f.InviteeID }

// Account is the account that was given the package.
func (f ImportedPackage) Account() int64 { return f.AccountID }

// Account is the account that the discount was agreed with.
func (f AgreedDiscount) Account() int64 { return f.AccountID }

// Overlaps tells whether two discounts have days in common.
func (f AgreedDiscount) Overlaps(o AgreedDiscount) bool { return f.From < o.To && o.From < f.To }

// Discount is the discount as entitlements hold it.
func (f AgreedDiscount) Discount() Discount {
	return Discount{AccountID: f.AccountID, Kind: Agreed, From: f.From, To: f.To, Percent: f.Percent}
}

// ImportCounts is what became of rows of an older system's files.
type ImportCounts struct{ New, Changed, Same int64 }

// ImportTotals is what an older system has told, by all imports.
type ImportTotals struct {
	Accounts    int64
	Referrals   int64
	Discounts   int64
	PercentDays int64         // of the discounts
	Packages    map[int]int64 // by size
}

// ImportQuery is what rows of an older system's files ask of what is stored.
type ImportQuery struct {
	Accounts []int64  // whether they are known
	Codes    []string // whose they are, in their normal form
	Invitees []int64  // who has invited them
	Given    []int64  // how many packages they have been given beyond those that they have earned
}

// ImportKnown is the answers.
type ImportKnown struct {
	Accounts map[int64]bool
	Owners   map[string]int64
	Inviters map[int64]KnownInviter
	Surplus  map[GivenSize]int // below zero where packages are owed
}

// KnownInviter is who has invited an account.
type KnownInviter struct {
	ID       int64
	Imported bool // as an import has told
}

// GivenSize is the packages of one size that an account has been given.
type GivenSize struct {
	AccountID int64
	SMS       int
}

// Add sums two parts.
func (c ImportCounts) Add(o ImportCounts) ImportCounts {
	return ImportCounts{c.New + o.New, c.Changed + o.Changed, c.Same + o.Same}
}

// Account is the registered account.
func (f Registered) Account() int64 { return f.AccountID }

// Account is the account whose promo period ended.
func (f PromoEnded) Account() int64 { return f.AccountID }

// Account is the account that left.
func (f Terminated) Account() int64 { return f.AccountID }

// Account is the account that entered the code.
func (f ActivationRequested) Account() int64 { return f.AccountID }

// Account is the account billed.
func (i *Invoice) Account() int64 { return i.AccountID }

// Account is the account that the answer's message key names.
func (r Result) Account() int64 { return r.AccountID }

// WorkingSet is what the facts of one batch may touch, loaded and locked: the
// accounts they name, the owners of the codes entered, and the inviters of both.
type WorkingSet struct {
	Accounts     map[int64]*Account
	Codes        map[string]int64        // code -> owner
	Activations  map[int64][]*Activation // an account's own requests, by arrival
	Referrals    map[int64][]Referral    // by inviter
	Decisions    map[int64][]StaffDecision
	Agreed       map[int64][]Discount       // agreed by an older system, by day
	Imported     map[int64]ImportedReferral // by invitee, as told before; only of a batch that imports
	Entitlements map[int64]Entitlements     // as stored before the batch
}

// NewWorkingSet is an empty set.
func NewWorkingSet() *WorkingSet {
	return &WorkingSet{
		Accounts:     map[int64]*Account{},
		Codes:        map[string]int64{},
		Activations:  map[int64][]*Activation{},
		Referrals:    map[int64][]Referral{},
		Decisions:    map[int64][]StaffDecision{},
		Agreed:       map[int64][]Discount{},
		Imported:     map[int64]ImportedReferral{},
		Entitlements: map[int64]Entitlements{},
	}
}

// DeriveFunc says what facts do to the working set that they were loaded with. It is
// pure, so that the storage may call it again when a transaction is retried.
type DeriveFunc = func(*WorkingSet, []*Fact) Changes

// Changes is what a batch of facts did to a working set.
type Changes struct {
	Accounts     []*Account             // new or changed
	CodesIssued  []*Account             // of them, those that have got their code
	CodesTold    []*Account             // of them, those whose code an older system has issued
	Activations  []*Activation          // new or newly judged
	Referrals    []Referral             // new, or with another ActivatedAt or RevokedFrom
	NoReferrals  []Referral             // of requests that are not accepted any more
	NoRequests   []*Activation          // that an older system had told, and tells no more
	Entitlements map[int64]Entitlements // those that have changed
	Replaced     map[int64]Entitlements // what these were before
	OutboxEvents []OutboxEvent
	Repeated     []int // which of the facts, by their order, changed nothing
}
