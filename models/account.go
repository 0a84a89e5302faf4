package models

import (
	"cmp"
	"strings"
	"time"
)

// Account is a client's cloud PBX as the programme knows it: the sum of the
// facts that have arrived about it. A zero time means "not known (yet)"; an
// account may exist before its registration has arrived.
type Account struct {
	ID           int64
	Code         string // its own invitation code; empty until registered
	Profile      Profile
	RegisteredAt time.Time // earliest wins
	PromoEndedAt time.Time // earliest wins
	TerminatedAt time.Time // earliest wins
	Imported     Imported  // which of these an older system has told
	ErasedAt     time.Time // when its personal data were erased; no message brings them back

	Provenance AccountProvenance
}

// Imported says which values of an account are those of an older system: they count until
// a message says otherwise. As a number it has a bit for each.
type Imported uint8

// The values that an import has.
const (
	ImportedRegistration Imported = 1 << iota
	ImportedPromoEnd
	ImportedTermination
	ImportedProfile
)

// AccountProvenance is where each value that counts came from. In a working set
// it holds only what the batch has changed.
type AccountProvenance struct {
	Registered, PromoEnded, Terminated, Profile Provenance
}

// Profile is what a registration event says besides its date. The event with
// the newest time wins; of two with the same time, the texts decide, so that the
// order of arrival cannot.
type Profile struct {
	Name       string
	TaxID      string
	Email      string
	Phone      string
	PromoUntil string // planned end of the promo period, shown but never calculated with
	At         time.Time
}

// Registered tells whether the registration has arrived.
func (a *Account) Registered() bool { return !a.RegisteredAt.IsZero() }

// NewerThan tells whether p replaces q.
func (p Profile) NewerThan(q Profile) bool {
	if !p.At.Equal(q.At) {
		return p.At.After(q.At)
	}
	return p.compareTexts(q) > 0
}

func (p Profile) compareTexts(q Profile) int {
	return cmp.Or(
		strings.Compare(p.Name, q.Name), strings.Compare(p.TaxID, q.TaxID), strings.Compare(p.Email, q.Email),
		strings.Compare(p.Phone, q.Phone), strings.Compare(p.PromoUntil, q.PromoUntil),
	)
}

// DemoAccounts is accounts worth showing in the demo; 0 where there is none.
type DemoAccounts struct {
	Highest  int64 // highest step of the ladder today
	Climber  int64 // on the first step
	Packaged int64 // has earned a package of SMS
	Promised int64 // its discount as a new client waits for the end of the promo period
	Newcomer int64 // may still enter a code, and has entered none
}
