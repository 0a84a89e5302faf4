package billing

import (
	"fmt"
	"maps"
	"slices"

	"referral/models"
)

// Simulation compares what a period costs under the terms there are with what it
// would cost under others. Decisions that were given stay: the accepted
// activations are the same, and all else follows from them by either terms. It
// posts nothing and looks at no ledger.
type Simulation struct {
	present, other *Programme
	period         models.Period

	Accounts int64 // looked at
	Affected int64 // of them, owed something else by the other terms
	Present  Cost
	Other    Cost
	Failures // of accounts, which count on neither side
}

// Cost is what terms give in a period.
type Cost struct {
	Discounts map[string]models.CountedAmount // lines and money by currency, signed as added to invoices
	Packages  int64
	SMS       int64 // in them
}

// NewSimulation begins the simulation of a period.
func NewSimulation(present, other *Programme, period models.Period) *Simulation {
	return &Simulation{present: present, other: other, period: period, Present: newCost(), Other: newCost()}
}

func newCost() Cost { return Cost{Discounts: map[string]models.CountedAmount{}} }

// Currencies is those in which either terms give a discount, in order.
func (s *Simulation) Currencies() []string {
	both := maps.Clone(s.Present.Discounts)
	maps.Copy(both, s.Other.Discounts)
	return slices.Sorted(maps.Keys(both))
}

// Account takes in one account. A panic in its arithmetic is counted and named.
func (s *Simulation) Account(c *models.AccountHistory) {
	s.Accounts++
	s.Attempt(c.Account.ID, func() {
		present, other := s.present.cost(c, s.period), s.other.cost(c, s.period)
		if !present.equal(other) {
			s.Affected++
		}
		s.Present.add(present)
		s.Other.add(other)
	})
}

func (o *Cost) add(part Cost) {
	o.Packages, o.SMS = o.Packages+part.Packages, o.SMS+part.SMS
	for currency, t := range part.Discounts {
		o.Discounts[currency] = o.Discounts[currency].Add(t)
	}
}

func (o Cost) equal(p Cost) bool {
	return o.Packages == p.Packages && o.SMS == p.SMS && maps.Equal(o.Discounts, p.Discounts)
}

// cost is what an account is owed for a period, by the facts.
func (p *Programme) cost(c *models.AccountHistory, period models.Period) Cost {
	o := newCost()
	entitlements := p.EntitlementsOf(c)
	for _, g := range entitlements.Grants {
		if g.GrantedOn.Period() == period {
			o.Packages, o.SMS = o.Packages+1, o.SMS+int64(g.SMS)
		}
	}
	timeline := Timeline(entitlements.Discounts)
	for i := range c.Invoices {
		inv := &c.Invoices[i].Invoice
		if inv.Period != period {
			continue
		}
		for _, item := range p.Desire(timeline, inv).Items {
			o.Discounts[inv.Currency] = o.Discounts[inv.Currency].Add(models.Counted(1, item.Amount))
		}
	}
	return o
}

// failure is what a calculation stopped at, nil when it came to its end. Amounts that
// overflow and stored values that cannot be read panic, so that nothing is calculated
// with them.
func failure(calculate func()) (cause any) {
	defer func() { cause = recover() }()
	calculate()
	return nil
}

// Failures is the accounts that could not be calculated.
type Failures struct {
	Failed      []models.ParkedAccount // the first MaxNamed
	FailedCount int64
}

// Attempt counts and names an account whose arithmetic fails.
func (f *Failures) Attempt(account int64, calculate func()) {
	cause := failure(calculate)
	if cause == nil {
		return
	}
	f.FailedCount++
	if len(f.Failed) < MaxNamed {
		f.Failed = append(f.Failed, models.ParkedAccount{AccountID: account, Error: fmt.Sprint(cause)})
	}
}
