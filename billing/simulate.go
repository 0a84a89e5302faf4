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

	Accounts    int64 // looked at
	Affected    int64 // of them, owed something else by the other terms
	Present     Cost
	Other       Cost
	Failed      []models.ParkedAccount // could not be calculated and count on neither side; the first MaxNamed
	FailedCount int64
}

// Cost is what terms give in a period.
type Cost struct {
	Discounts map[string]Total // lines and money by currency, signed as added to invoices
	Packages  int64
	SMS       int64 // in them
}

// NewSimulation begins the simulation of a period.
func NewSimulation(present, other *Programme, period models.Period) *Simulation {
	return &Simulation{present: present, other: other, period: period, Present: newOutlay(), Other: newOutlay()}
}

func newOutlay() Cost { return Cost{Discounts: map[string]Total{}} }

// Currencies is those in which either terms give a discount, in order.
func (s *Simulation) Currencies() []string {
	both := maps.Clone(s.Present.Discounts)
	maps.Copy(both, s.Other.Discounts)
	return slices.Sorted(maps.Keys(both))
}

// Account takes in one account. A panic in its arithmetic is counted and named.
func (s *Simulation) Account(c *models.AccountHistory) {
	s.Accounts++
	defer func() {
		if fault := recover(); fault != nil {
			s.fail(c.Account.ID, fault)
		}
	}()
	present, other := s.present.outlay(c, s.period), s.other.outlay(c, s.period)
	if !present.equal(other) {
		s.Affected++
	}
	s.Present.add(present)
	s.Other.add(other)
}

func (s *Simulation) fail(account int64, fault any) {
	s.FailedCount++
	if len(s.Failed) < MaxNamed {
		s.Failed = append(s.Failed, models.ParkedAccount{AccountID: account, Error: fmt.Sprint(fault)})
	}
}

func (o *Cost) add(part Cost) {
	o.Packages, o.SMS = o.Packages+part.Packages, o.SMS+part.SMS
	for currency, t := range part.Discounts {
		o.Discounts[currency] = o.Discounts[currency].plus(t)
	}
}

func (o Cost) equal(p Cost) bool {
	return o.Packages == p.Packages && o.SMS == p.SMS && maps.Equal(o.Discounts, p.Discounts)
}

// outlay is what an account is owed for a period, by the facts.
func (p *Programme) outlay(c *models.AccountHistory, period models.Period) Cost {
	o := newOutlay()
	entitlements := p.Entitlements(&c.Account, c.Accepted(), c.Referrals)
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
			o.Discounts[inv.Currency] = o.Discounts[inv.Currency].plus(Total{1, item.Amount})
		}
	}
	return o
}
