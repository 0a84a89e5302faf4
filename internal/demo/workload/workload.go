// Package workload generates clients who register, invite one another, are billed
// and leave, as the messages that other systems send about them, with everything
// that goes wrong on the way. The same seed gives the same messages, byte for byte.
// Nothing is kept between messages, so a million accounts need no more memory than
// a hundred.
package workload

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"referral/models"
)

// Options says what is generated.
type Options struct {
	Seed     uint64
	Accounts int           // with the ids 1 to Accounts
	First    models.Period // the first month that is billed
	Months   int           // that are billed
	Clean    bool          // without faulty messages
}

func (o Options) validate() error {
	switch {
	case o.Accounts < 1:
		return fmt.Errorf("a workload of %d accounts, want at least 1", o.Accounts)
	case o.Months < 1 || o.Months > 120:
		return fmt.Errorf("a workload of %d months, want 1 to 120", o.Months)
	case o.First < 200001 || o.First%100 < 1 || o.First%100 > 12:
		return fmt.Errorf("a workload from the month %d, want 200001 or later", o.First)
	}
	return nil
}

// Generator generates messages. It is safe for concurrent use.
type Generator struct {
	options Options
	begin   models.Date // first day that is billed
	end     models.Date // the day after the last one
	zone    *time.Location
}

// New makes a generator.
func New(o Options) (*Generator, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	g := &Generator{options: o, begin: o.First.First(), zone: time.FixedZone("MSK", 3*60*60)}
	g.end = g.begin.AddMonths(o.Months)
	return g, nil
}

// Phases is the number of months; phase p holds the messages that arrive before
// the run of Period(p).
func (g *Generator) Phases() int { return g.options.Months }

// Period is the month that is run after a phase.
func (g *Generator) Period(phase int) models.Period { return g.begin.AddMonths(phase).Period() }

// Registrations is the first part of a phase: it must be sent, and the codes issued
// for it learned, before the Rest can be generated.
func (g *Generator) Registrations(phase int) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for n := range g.blocks() {
			if !emit(g.random(streamRegistrations, n, phase), g.registrations(g.block(n), phase), yield) {
				return
			}
		}
	}
}

// ErrUnknownCode is the error of an activation whose inviter's code is not known: it
// was not learned, or the inviter's registration was not sent.
var ErrUnknownCode = errors.New("the code has not been learned")

// Rest is the second part of a phase. code gives the invitation code of an
// account. The messages end at the first error.
func (g *Generator) Rest(phase int, code func(account int64) (string, bool)) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for n := range g.blocks() {
			units, err := g.rest(n, phase, code)
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !emit(g.random(streamRest, n, phase), units, func(m Message) bool { return yield(m, nil) }) {
				return
			}
		}
	}
}

// sequence is messages that must keep their order.
type sequence []Message

// emit yields units in a random order.
func emit(r *rand.Rand, units []sequence, yield func(Message) bool) bool {
	r.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	for _, u := range units {
		for i := range u {
			if !yield(u[i]) {
				return false
			}
		}
	}
	return true
}

// The streams of randomness: what is drawn for one purpose must not move what
// is drawn for another.
const (
	streamPlan = iota
	streamRegistrations
	streamRest
	streamInvoice
	streamStyle
	streamBulk
)

func (g *Generator) random(stream, a, b int) *rand.Rand {
	return rand.New(rand.NewPCG(mix(g.options.Seed+uint64(stream)<<56), mix(uint64(a)<<16^uint64(b))))
}

// mix spreads adjacent numbers apart (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// moment is an instant of a local day, sometimes its first or last second.
func (g *Generator) moment(r *rand.Rand, d models.Date) time.Time {
	second := r.IntN(24 * 60 * 60)
	switch r.IntN(25) {
	case 0:
		second = 0
	case 1:
		second = 24*60*60 - 1
	}
	year, month, day := d.Time().Date()
	return time.Date(year, month, day, 0, 0, second, 0, g.zone)
}

// phaseOf is the phase in which messages of a day arrive when nothing delays them.
func (g *Generator) phaseOf(d models.Date) int {
	phase := 0
	for phase < g.options.Months-1 && d >= g.begin.AddMonths(phase+1) {
		phase++
	}
	return phase
}

func (g *Generator) later(phase, by int) int { return min(phase+by, g.options.Months-1) }

func (g *Generator) day(t time.Time) models.Date { return models.DateOf(t, g.zone) }
