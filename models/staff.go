package models

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Role is what a member of the operator's staff may do.
type Role string

// The roles. Which page is open to which role is in docs/finance.ru.md.
const (
	RoleSupport    Role = "support"    // looks clients up and explains their discounts
	RoleFinance    Role = "finance"    // prepares a month and exports it
	RoleController Role = "controller" // approves what others have prepared
	RoleAuditor    Role = "auditor"    // reads everything, changes nothing
)

// Roles is all of them.
var Roles = []Role{RoleSupport, RoleFinance, RoleController, RoleAuditor}

// Staff is a member of the operator's staff, as the staff's OpenID provider names
// them.
type Staff struct {
	Subject string // the provider's own identifier of the person
	Name    string // shown on pages and recorded with what the person does
	Roles   []Role // at least one
}

// HasAny tells whether a person has one of some roles.
func (s *Staff) HasAny(roles []Role) bool {
	return slices.ContainsFunc(s.Roles, func(role Role) bool { return slices.Contains(roles, role) })
}

// Role names all roles of a person, as the journal records them: "finance, controller".
func (s *Staff) Role() Role {
	names := make([]string, len(s.Roles))
	for i, role := range s.Roles {
		names[i] = string(role)
	}
	return Role(strings.Join(names, ", "))
}

// MonthOverview is a billing period in the list of months.
type MonthOverview struct {
	PeriodInfo
	Documents   CountedAmount // posted for the period, into whichever period
	Packages    int64
	Into        CountedAmount // posted into the period for other ones, which were closed
	Away        CountedAmount // posted for the period into later ones, because it was closed
	LastRun     *Run          // nil: none has been made
	Signed      *SignedMonth  // nil: never signed
	CheckedAt   time.Time     // of the last reconciliation; zero: none has been made
	RehearsedAt time.Time     // of the last rehearsal that a person ordered; zero: none
	Breaks      int64         // that it found
	Held        CountedAmount // lines of services that the terms do not name
	Parked      int64         // accounts and invoices that the last run could not settle
}

// Register is what was posted into the period, for itself and for others.
func (m *MonthOverview) Register() CountedAmount {
	return CountedAmount{m.Documents.Count - m.Away.Count + m.Into.Count, m.Documents.Amount - m.Away.Amount + m.Into.Amount}
}

// SignedMonth is what was signed under a period last.
type SignedMonth struct {
	At     time.Time
	Who    string
	Posted Money // discounts in the programme's currency
}

// FoundAccount is an account that a search has found, and by what.
type FoundAccount struct {
	AccountID    int64
	Name         string
	TaxID        string
	Code         string
	RegisteredAt time.Time // zero: not registered
	InvoiceID    string    // the invoice that was looked for, or whose document was
}

// RegisterEntry is a document of the ledger in the register of documents.
type RegisterEntry struct {
	AccountID     int64
	Name          string
	TaxID         string
	DocumentID    UUID
	InvoiceID     string
	Sequence      int
	Period        Period
	PostingPeriod Period
	Currency      string
	Amount        Money
	Reason        AdjustmentReason
	PostedAt      time.Time
	Published     bool
	Shadow        bool         // it is never published
	Answer        ResultStatus // the one that counts; empty: none yet
	AnsweredAt    time.Time
	Resent        bool // after that answer, and not answered since
	WrittenOff    bool
}

// RegisterCursor is a place in the register of a posting period: just behind this
// document. The zero cursor is the beginning.
type RegisterCursor struct {
	AccountID int64
	InvoiceID string
	Sequence  int
}

// RegisterFilter selects documents of the register; what is zero selects all.
type RegisterFilter struct {
	Posted    Period // required: the period that they were posted into
	Period    Period // of the invoice
	AccountID int64
	TaxID     string
	Reason    AdjustmentReason
	Currency  string
	AtLeast   *Money       // as added to the invoice: a discount is negative
	AtMost    *Money       //
	Answer    ResultStatus // billing's answer that counts, or ResultNone
	After     RegisterCursor
}

// Narrowed tells whether a filter may leave documents of its posting period out.
func (f *RegisterFilter) Narrowed() bool {
	return *f != RegisterFilter{Posted: f.Posted, After: f.After}
}

// CurrencyTotal is the number and the sum of documents in one currency.
type CurrencyTotal struct {
	Currency string
	CountedAmount
}

// Cursor is the place just behind the entry.
func (e *RegisterEntry) Cursor() RegisterCursor {
	return RegisterCursor{AccountID: e.AccountID, InvoiceID: e.InvoiceID, Sequence: e.Sequence}
}

// RejectedDocument is a document that billing has rejected and that nobody has
// decided about yet.
type RejectedDocument struct {
	AccountID  int64
	DocumentID UUID
	InvoiceID  string
	Period     Period
	Amount     Money
	SMS        int // of a package
	RejectedAt time.Time
	Reason     string
}

// SuspicionSign is why referrals are suspicious.
type SuspicionSign string

// The signs.
const (
	SuspiciousRing   SuspicionSign = "ring"        // clients invited one another in a ring
	SuspiciousTaxID  SuspicionSign = "tax-id"      // one tax id behind several accounts
	SuspiciousPhone  SuspicionSign = "phone"       // one phone
	SuspiciousEmail  SuspicionSign = "email"       // one e-mail address
	SuspiciousDomain SuspicionSign = "mail-domain" // one mail domain that is not a public provider's
	SuspiciousPayer  SuspicionSign = "one-payer"   // an inviter and its invitee have one tax id, phone or address
	SuspiciousBurst  SuspicionSign = "burst"       // many activations of one code within an hour
)

// Suspicion is referrals that a person should look at.
type Suspicion struct {
	Fingerprint Digest
	Signs       []SuspicionSign
	Referrals   []Referral // by time
	Stakes      []Stake    // by currency; none when no money is concerned
	FoundAt     time.Time
	Seen        *SuspicionSeen // nil: nobody has looked at it
}

// Stake is the discounts in one currency that a suspicion concerns, as added to invoices.
type Stake struct {
	Currency string `json:"currency"`
	Posted   Money  `json:"posted_minor"` // in the ledger
	Ahead    Money  `json:"ahead_minor"`  // granted for the next twelve months, by the forecast
}

// AddStake adds discounts in a currency.
func (s *Suspicion) AddStake(currency string, posted, ahead Money) {
	at, known := slices.BinarySearchFunc(s.Stakes, currency, func(k Stake, c string) int { return cmp.Compare(k.Currency, c) })
	if !known {
		s.Stakes = slices.Insert(s.Stakes, at, Stake{Currency: currency})
	}
	k := &s.Stakes[at]
	k.Posted, k.Ahead = k.Posted.Add(posted), k.Ahead.Add(ahead)
}

// SuspicionSeen is that a person has looked at a suspicion.
type SuspicionSeen struct {
	At   time.Time
	Who  string
	Note string
}

// Members is the accounts of the referrals, each once, in the order of the referrals.
func (s *Suspicion) Members() []int64 {
	var members []int64
	known := map[int64]bool{}
	for i := range s.Referrals {
		for _, id := range []int64{s.Referrals[i].InviterID, s.Referrals[i].InviteeID} {
			if !known[id] {
				members = append(members, id)
			}
			known[id] = true
		}
	}
	return members
}

// SuspicionSearch is a search for suspicions.
type SuspicionSearch struct {
	At        time.Time
	Accounts  int64 // looked at: those that invited or were invited
	Referrals int64
	Found     int64
}

// Suspicions is suspicions as the page shows them.
type Suspicions struct {
	Search SuspicionSearch // the last one
	List   []Suspicion
	Count  int64            // of all, of which List has the first
	Names  map[int64]string // of the accounts
}

// CostKey is what a cost is for: a kind of discount, in a month and a currency.
type CostKey struct {
	Month    Period
	Currency string // of the invoices
	Kind     DiscountKind
	Step     int // of the ladder; 0 of a new client's discount
}

// Compare orders costs by month, currency, kind and step.
func (k CostKey) Compare(other CostKey) int {
	return cmp.Or(cmp.Compare(k.Month, other.Month), cmp.Compare(k.Currency, other.Currency), cmp.Compare(k.Kind, other.Kind), cmp.Compare(k.Step, other.Step))
}

// Cost is what discounts cost, or are expected to cost, signed as added to invoices.
type Cost struct {
	CostKey
	Amount Money
}

// Forecast is the costs of the months to come, as they were expected in a month.
type Forecast struct {
	MadeFor Period // the month
	MadeAt  time.Time
	Costs   []Cost
}
