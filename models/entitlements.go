package models

import "slices"

// DiscountKind says what a discount is for.
type DiscountKind string

// A new client's own discount, an inviter's ladder, and what an older system has agreed
// with the client outside the rules.
const (
	Agreed  DiscountKind = "agreed"
	Invitee DiscountKind = "invitee"
	Inviter DiscountKind = "inviter"
)

// Discount is a stretch of days on which an account has a percentage off.
type Discount struct {
	AccountID int64        `json:"-"`
	Kind      DiscountKind `json:"kind"`
	From      Date         `json:"from"`
	To        Date         `json:"to"` // exclusive
	Percent   int          `json:"percent"`
	Step      int          `json:"step,omitempty"` // of the ladder, from 1; 0 for other kinds
}

// Segment is a stretch of days of one line's service period with the percents
// that hold on it, one of each kind.
type Segment struct {
	From, To Date // [From, To)
	Invitee  int  // percent
	Inviter  int  // percent
	Agreed   int  // percent
}

// Percent is what a day of the segment gets: all kinds together, at most 100.
func (s Segment) Percent() int { return min(100, s.Agreed+s.Invitee+s.Inviter) }

// Days is the length of the segment.
func (s Segment) Days() int { return int(s.To - s.From) }

// PercentDays is the sum of the percents of its days.
func (s Segment) PercentDays() int { return s.Percent() * s.Days() }

// Grant is an SMS package that an inviter has earned, by the facts.
type Grant struct {
	AccountID int64
	SMS       int
	Ordinal   int // 1 for the account's first package of this size
	GrantedOn Date
	Step      int
}

// Entitlements is what the facts give one account: derived, and replaced whole
// whenever a fact changes it.
type Entitlements struct {
	Discounts []Discount // by kind, then by day
	Grants    []Grant    // by day earned, size and number
}

// ChangedDays is the first day on which the discounts are others than before, and
// the first one from which on they are the same; both are 0 when none has changed.
func (s Entitlements) ChangedDays(before Entitlements) (from, to Date) {
	changed := slices.Concat(without(s.Discounts, before.Discounts), without(before.Discounts, s.Discounts))
	for i, d := range changed {
		if i == 0 {
			from, to = d.From, d.To
		}
		from, to = min(from, d.From), max(to, d.To)
	}
	return from, to
}

func without(list, others []Discount) []Discount {
	return slices.DeleteFunc(slices.Clone(list), func(d Discount) bool { return slices.Contains(others, d) })
}
