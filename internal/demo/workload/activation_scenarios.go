package workload

import (
	"time"

	"referral/models"
)

// noCode is a code that nobody has: the program's codes are random, and longer.
const noCode = "NOSUCHCODE"

// addActivationScenarios has the last accounts of a block get into a special case each; the
// cases take turns, so that some 100 accounts have all of them.
func (p *planner) addActivationScenarios() {
	all := activationScenarios()
	for i := firstScenario; i < len(p.accounts); i++ {
		a := &p.accounts[i]
		on := p.end - 40 - models.Date(p.r.IntN(p.span()+40))
		p.register(a, on)
		a.registered.at = p.noon(on)
		a.exact = true
		all[(p.n*(blockSize-firstScenario)+i-firstScenario)%len(all)](p, i)
		if a.registered.phase != notSent {
			p.endPromo(a)
		}
		p.delayAttempts(a)
	}
}

// activationScenarios is every way in which entering a code can end, except the
// ordinary one.
func activationScenarios() []func(p *planner, i int) {
	return []func(p *planner, i int){
		unknownCode, ownCode, ownCompany, secondCode, dayAfterWindow, lastDayOfWindow, lastDayAfterJanuary31, dayAfterJanuary31,
		beforeRegistration, neverRegistered, lateRegistration, lateRefusal, severalAttempts, sameInstant, codeOfTerminated,
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

func (p *planner) activateText(i int, code string, at time.Time, decision models.Reason) {
	a := &p.accounts[i]
	a.attempts = append(a.attempts, attempt{occurrence: occurrence{at, p.phaseOf(p.day(at))}, literal: code, decision: decision})
}

func unknownCode(p *planner, i int) { p.activateText(i, noCode, p.days(i, 3), models.UnknownCode) }

func ownCode(p *planner, i int) { p.activate(i, i, p.days(i, 3), models.OwnCode) }

func ownCompany(p *planner, i int) {
	p.accounts[i].taxID = p.accounts[0].taxID
	p.activate(i, 0, p.days(i, 3), models.OwnCompany)
}

func secondCode(p *planner, i int) {
	p.activate(i, 0, p.days(i, 3), "")
	p.activate(i, 1, p.days(i, 4), models.AlreadyActivated)
}

func dayAfterWindow(p *planner, i int) {
	last := p.day(p.accounts[i].registered.at).AddMonths(1)
	p.activate(i, 0, p.noon(last+1).Add(-12*time.Hour), models.WindowClosed)
}

func lastDayOfWindow(p *planner, i int) {
	last := p.day(p.accounts[i].registered.at).AddMonths(1)
	p.activate(i, 0, p.noon(last).Add(12*time.Hour-time.Second), "")
}

// lastDayAfterJanuary31 registers on a 31st that the next month does not have.
func lastDayAfterJanuary31(p *planner, i int) {
	p.register(&p.accounts[i], p.january31())
	lastDayOfWindow(p, i)
}

func dayAfterJanuary31(p *planner, i int) {
	p.register(&p.accounts[i], p.january31())
	dayAfterWindow(p, i)
}

// january31 is the latest 31 January whose activation window ends within the workload.
func (p *planner) january31() models.Date {
	year := p.end.Time().Year()
	for models.NewDate(year, time.March, 2) > p.end {
		year--
	}
	return models.NewDate(year, time.January, 31)
}

func beforeRegistration(p *planner, i int) {
	p.activate(i, 0, p.accounts[i].registered.at.Add(-36*time.Hour), "")
}

func neverRegistered(p *planner, i int) {
	p.activate(i, 0, p.days(i, 3), models.NotRegistered)
	p.accounts[i].registered.phase = notSent
}

func (p *planner) registerLate(i int) {
	a := &p.accounts[i]
	a.onTime, a.registered.phase = false, p.later(a.registered.phase, 1)
}

func lateRegistration(p *planner, i int) {
	p.registerLate(i)
	p.activate(i, 0, p.days(i, 3), "")
}

func lateRefusal(p *planner, i int) {
	p.registerLate(i)
	p.activateText(i, noCode, p.days(i, 2), models.UnknownCode)
	p.activate(i, 1, p.days(i, 2), "")
	p.activate(i, 0, p.days(i, 2), models.AlreadyActivated)
}

func severalAttempts(p *planner, i int) {
	p.activateText(i, noCode, p.days(i, 1), models.UnknownCode)
	p.activate(i, i, p.days(i, 2), models.OwnCode)
	p.activate(i, 0, p.days(i, 3), "")
	p.activate(i, 0, p.days(i, 4), models.AlreadyActivated)
	p.activateText(i, noCode, p.days(i, 5), models.UnknownCode)
}

func sameInstant(p *planner, i int) {
	p.activate(i, 1, p.days(i, 3), "")
	p.activate(i, 0, p.days(i, 3), models.AlreadyActivated)
}

// codeOfTerminated enters the code of a client who has left: it is still valid.
func codeOfTerminated(p *planner, i int) {
	at := p.days(i, 20)
	owner := &p.accounts[firstScenario-1]
	if !owner.registered.at.Before(at) {
		p.register(owner, p.day(at)-20)
		owner.attempts = nil
	}
	owner.terminated = []occurrence{{at.Add(-50 * time.Hour), p.phaseOf(p.day(at))}}
	p.activate(i, firstScenario-1, at, "")
}
