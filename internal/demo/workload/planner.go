package workload

import (
	"fmt"
	"math/rand/v2"
	"time"

	"referral/models"
)

// Clients are generated in blocks whose members invite only one another, so that a
// block needs no other: its first account invites many (ladder_scenarios.go), those
// after it are its friends, then come clients who invite one another at random, and
// the last ones have a special case each (activation_scenarios.go).
const (
	blockSize     = 24
	firstOrdinary = 9
	firstScenario = 20
)

// blocks is the number of blocks; the last one may be short.
func (g *Generator) blocks() int { return (g.options.Accounts + blockSize - 1) / blockSize }

// planner generates a block.
type planner struct {
	*Generator
	n        int
	r        *rand.Rand
	accounts []account
	owner    [blockSize]bool // whose code somebody uses
}

func (g *Generator) block(n int) []account {
	first := n * blockSize
	p := planner{
		Generator: g, n: n, r: g.random(streamPlan, n, 0),
		accounts: make([]account, min(blockSize, g.options.Accounts-first)),
	}
	for i := range p.accounts {
		p.start(&p.accounts[i], int64(first+i+1))
	}
	p.addLadderScenario()
	p.addRandomActivations()
	p.addActivationScenarios()
	for i := range p.accounts {
		p.complete(i)
	}
	return p.accounts
}

// span is the number of days that are billed.
func (g *Generator) span() int { return int(g.end - g.begin) }

func (p *planner) start(a *account, id int64) {
	a.id = id
	a.taxID = fmt.Sprintf("77%08d", id%100_000_000)
	a.onTime = true
	a.renamed.phase = notSent
	p.register(a, p.end-7-models.Date(p.r.IntN(p.span()+300)))
}

func (p *planner) register(a *account, on models.Date) {
	a.registered = occurrence{p.moment(p.r, on), p.phaseOf(on)}
}

// registerAndActivate has a client register and, within the month, enter an inviter's code.
func (p *planner) registerAndActivate(i, inviter int, at time.Time) {
	a := &p.accounts[i]
	p.register(a, p.day(at)-models.Date(p.r.IntN(26)))
	p.activate(i, inviter, at, "")
}

// activate has a client enter the code of another one.
func (p *planner) activate(i, owner int, at time.Time, decision models.Reason) {
	a := &p.accounts[i]
	p.owner[owner] = true
	a.attempts = append(a.attempts, attempt{
		occurrence: occurrence{at, max(p.phaseOf(p.day(at)), p.accounts[owner].registered.phase)},
		owner:      p.accounts[owner].id, decision: decision,
	})
}

// addRandomActivations has some clients enter the codes of clients before them.
func (p *planner) addRandomActivations() {
	for i := firstOrdinary; i < min(firstScenario, len(p.accounts)); i++ {
		if p.chance(30) {
			on := p.end - 1 - models.Date(p.r.IntN(p.span()+60))
			p.registerAndActivate(i, p.r.IntN(i), p.moment(p.r, on))
		}
	}
	if hub := &p.accounts[0]; p.chance(40) && len(p.accounts) > firstOrdinary {
		on := min(p.day(hub.registered.at)+models.Date(p.r.IntN(26)), p.end-1)
		p.activate(0, firstOrdinary, p.moment(p.r, on), "")
	}
}

func (p *planner) chance(percent int) bool { return p.r.IntN(100) < percent }

// complete generates what else happens to a client, and decides what is sent late.
func (p *planner) complete(i int) {
	a := &p.accounts[i]
	if a.exact {
		return
	}
	if !p.owner[i] && p.chance(3) {
		a.onTime, a.registered.phase = false, p.later(a.registered.phase, 1)
	}
	if p.chance(4) {
		p.registerAgain(a)
	}
	p.endPromo(a)
	p.terminate(i)
	p.delayAttempts(a)
}

func (p *planner) registerAgain(a *account) {
	by := time.Duration(1+p.r.IntN(20)) * time.Hour
	if p.chance(30) {
		by = -by
	}
	a.renamed = occurrence{a.registered.at.Add(by), p.later(a.registered.phase, p.r.IntN(2))}
}

func (p *planner) endPromo(a *account) {
	on := p.day(a.registered.at) + models.Date(p.r.IntN(31))
	if on >= p.end || p.chance(3) {
		return
	}
	at := laterOf(p.moment(p.r, on), a.registered.at)
	a.promo = append(a.promo, occurrence{at, p.delayed(on, 5)})
	switch p.r.IntN(25) {
	case 0: // sent again with a later time: the earliest stays
		a.promo = append(a.promo, occurrence{at.Add(50 * time.Hour), p.delayed(on, 50)})
	case 1: // corrected to an earlier time
		a.promo = append(a.promo, occurrence{at.Add(-30 * time.Hour), p.later(a.promo[0].phase, 1)})
	}
}

func (p *planner) terminate(i int) {
	a, percent := &p.accounts[i], 4
	if i == 0 {
		percent = 10
	}
	stay := 20 + p.r.IntN(p.span()+60)
	on := p.day(a.registered.at) + models.Date(stay)
	if !p.chance(percent) || on >= p.end {
		return
	}
	at := p.moment(p.r, on)
	a.terminated = append(a.terminated, occurrence{at, p.delayed(on, 20)})
	if p.chance(10) {
		a.terminated = append(a.terminated, occurrence{at.Add(26 * time.Hour), p.delayed(on, 50)})
	}
}

// delayAttempts sends some activations late. The requests of one client keep their
// order, whatever delays them.
func (p *planner) delayAttempts(a *account) {
	before := 0
	for i := range a.attempts {
		t := &a.attempts[i]
		if p.chance(5) {
			t.phase = p.later(t.phase, 1+p.r.IntN(2))
		}
		t.phase = max(t.phase, before)
		before = t.phase
	}
}

// delayed is the phase in which messages of a day arrive, some of them late.
func (p *planner) delayed(on models.Date, percent int) int {
	phase := p.phaseOf(on)
	if p.chance(percent) {
		phase = p.later(phase, 1+p.r.IntN(2))
	}
	return phase
}

func laterOf(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
