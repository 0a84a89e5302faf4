package workload

import (
	"slices"
	"time"

	"referral/models"
)

// addLadderScenario has the first account of a block invite friends, in one of the ways
// that a ladder can be climbed. The ways take turns, so that a small workload has all
// of them.
func (p *planner) addLadderScenario() {
	ways := []func(*planner) []models.Date{
		(*planner).threeAtOnce, (*planner).many, (*planner).five, (*planner).again,
		(*planner).one, (*planner).threeAYearAgo, (*planner).three, (*planner).none,
	}
	days := ways[p.n%len(ways)](p)
	if len(days) == 0 {
		return
	}
	slices.Sort(days)
	p.register(&p.accounts[0], days[0]-5-models.Date(p.r.IntN(60)))
	var last time.Time
	for i, on := range days[:min(len(days), len(p.accounts)-1)] {
		at := p.moment(p.r, on)
		if i > 0 && p.day(last) == on && p.chance(50) {
			at = last // friends of the same instant are distinguished by their ids
		}
		p.registerAndActivate(i+1, 0, at)
		last = at
	}
}

// within is n days of the billed months, or of the days before them.
func (p *planner) within(n, before int) []models.Date {
	days := make([]models.Date, n)
	for i := range days {
		days[i] = p.end - 1 - models.Date(p.r.IntN(p.span()+before))
	}
	return days
}

func (p *planner) none() []models.Date  { return nil }
func (p *planner) one() []models.Date   { return p.within(1, 60) }
func (p *planner) three() []models.Date { return p.within(3, 0) }
func (p *planner) five() []models.Date  { return p.within(5, 20) }
func (p *planner) many() []models.Date  { return p.within(8, 30) }

// threeAtOnce is three friends on one day of the first month billed.
func (p *planner) threeAtOnce() []models.Date {
	on := p.begin + models.Date(p.r.IntN(25))
	return []models.Date{on, on, on}
}

// again is a climb that ends before the billed months, and a new one.
func (p *planner) again() []models.Date {
	return append(p.within(1+p.r.IntN(3), 0), p.begin-models.Date(92+p.r.IntN(60)))
}

// threeAYearAgo is friends who earn a package in a month that is never run, and the
// next one after the end of that climb.
func (p *planner) threeAYearAgo() []models.Date {
	past := p.begin - 400
	return append(p.within(4, 0), past-20, past-10, past)
}
