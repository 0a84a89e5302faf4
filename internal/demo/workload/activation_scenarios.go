package workload

import (
	"time"

	"referral/models"
)

// noCode is a code that nobody has: the product's codes are random, and longer.
const noCode = "NOSUCHCODE"

// trouble has the last accounts of a block get into a trouble each; the
// troubles take turns, so that a life of some 100 accounts has all of them.
func (p *planner) trouble() {
	all := troubles()
	for i := firstTrouble; i < len(p.accounts); i++ {
		a := &p.accounts[i]
		on := p.end - 40 - models.Date(p.r.IntN(p.span()+40))
		p.register(a, on)
		a.registered.at = p.noon(on)
		a.edge = true
		all[(p.n*(blockSize-firstTrouble)+i-firstTrouble)%len(all)](p, i)
		if a.registered.phase != never {
			p.endPromo(a)
		}
		p.delayAttempts(a)
	}
}

// troubles is every way in which entering a code can go, but the plain one.
func troubles() []func(p *planner, i int) {
	return []func(p *planner, i int){
		unknownCode, ownCode, ownCompany, secondCode, dayAfterWindow, lastDayOfWindow, lastDayClamped, dayAfterClamped,
		beforeRegistration, neverRegistered, lateRegistration, lateRefusal, persistent, sameInstant, ownerLeft,
	}
}

func (p *planner) noon(on models.Date) time.Time {
	year, month, day := on.Time().Date()
	return time.Date(year, month, day, 12, 0, 0, 0, p.zone)
}

// days is noon some days after the registration.
func (p *planner) days(i, n int) time.Time {
	return p.noon(p.day(p.accounts[i].registered.at) + models.Date(n))
}

func (p *planner) enterText(i int, code string, at time.Time, decision models.Reason) {
	a := &p.accounts[i]
	a.attempts = append(a.attempts, attempt{told: told{at, p.phaseOf(p.day(at))}, literal: code, decision: decision})
}

func unknownCode(p *planner, i int) { p.enterText(i, noCode, p.days(i, 3), models.UnknownCode) }

func ownCode(p *planner, i int) { p.enter(i, i, p.days(i, 3), models.OwnCode) }

func ownCompany(p *planner, i int) {
	p.accounts[i].taxID = p.accounts[0].taxID
	p.enter(i, 0, p.days(i, 3), models.OwnCompany)
}

func secondCode(p *planner, i int) {
	p.enter(i, 0, p.days(i, 3), "")
	p.enter(i, 1, p.days(i, 4), models.AlreadyActivated)
}

func dayAfterWindow(p *planner, i int) {
	last := p.day(p.accounts[i].registered.at).AddMonths(1)
	p.enter(i, 0, p.noon(last+1).Add(-12*time.Hour), models.WindowClosed)
}

func lastDayOfWindow(p *planner, i int) {
	last := p.day(p.accounts[i].registered.at).AddMonths(1)
	p.enter(i, 0, p.noon(last).Add(12*time.Hour-time.Second), "")
}

// lastDayClamped registers on a 31st that the next month does not have.
func lastDayClamped(p *planner, i int) {
	p.register(&p.accounts[i], p.longJanuary())
	lastDayOfWindow(p, i)
}

func dayAfterClamped(p *planner, i int) {
	p.register(&p.accounts[i], p.longJanuary())
	dayAfterWindow(p, i)
}

// longJanuary is the newest 31 January whose window the life still sees.
func (p *planner) longJanuary() models.Date {
	year := p.end.Time().Year()
	for models.NewDate(year, time.March, 2) > p.end {
		year--
	}
	return models.NewDate(year, time.January, 31)
}

func beforeRegistration(p *planner, i int) {
	p.enter(i, 0, p.accounts[i].registered.at.Add(-36*time.Hour), "")
}

func neverRegistered(p *planner, i int) {
	p.enter(i, 0, p.days(i, 3), models.NotRegistered)
	p.accounts[i].registered.phase = never
}

func (p *planner) registerLate(i int) {
	a := &p.accounts[i]
	a.punctual, a.registered.phase = false, p.later(a.registered.phase, 1)
}

func lateRegistration(p *planner, i int) {
	p.registerLate(i)
	p.enter(i, 0, p.days(i, 3), "")
}

func lateRefusal(p *planner, i int) {
	p.registerLate(i)
	p.enterText(i, noCode, p.days(i, 2), models.UnknownCode)
	p.enter(i, 1, p.days(i, 2), "")
	p.enter(i, 0, p.days(i, 2), models.AlreadyActivated)
}

func persistent(p *planner, i int) {
	p.enterText(i, noCode, p.days(i, 1), models.UnknownCode)
	p.enter(i, i, p.days(i, 2), models.OwnCode)
	p.enter(i, 0, p.days(i, 3), "")
	p.enter(i, 0, p.days(i, 4), models.AlreadyActivated)
	p.enterText(i, noCode, p.days(i, 5), models.UnknownCode)
}

func sameInstant(p *planner, i int) {
	p.enter(i, 1, p.days(i, 3), "")
	p.enter(i, 0, p.days(i, 3), models.AlreadyActivated)
}

// ownerLeft enters the code of a client who has gone: it is still good.
func ownerLeft(p *planner, i int) {
	at := p.days(i, 20)
	owner := &p.accounts[firstTrouble-1]
	if !owner.registered.at.Before(at) {
		p.register(owner, p.day(at)-20)
		owner.attempts = nil
	}
	owner.terminated = []told{{at.Add(-50 * time.Hour), p.phaseOf(p.day(at))}}
	p.enter(i, firstTrouble-1, at, "")
}
