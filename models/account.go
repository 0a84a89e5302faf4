package models

import "time"

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
}

// Profile is what a registration event says besides its date. The event with
// the newest time wins; Event breaks ties so that the order of arrival cannot.
type Profile struct {
	Name       string
	TaxID      string
	Email      string
	Phone      string
	PromoUntil string // planned end of the promo period, shown but never reckoned with
	At         time.Time
	Event      string // source and id of the event
}

// Registered tells whether the registration has arrived.
func (a *Account) Registered() bool { return !a.RegisteredAt.IsZero() }

// NewerThan tells whether p replaces q.
func (p Profile) NewerThan(q Profile) bool {
	if !p.At.Equal(q.At) {
		return p.At.After(q.At)
	}
	return p.Event > q.Event
}
