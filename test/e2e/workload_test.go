package e2e

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"testing"

	"referral/internal/demo/workload"
	"referral/models"
)

// lifeSeed is the same at each time, so that a change is judged by the same life as the one
// before it, unless REFERRAL_TEST_SEED gives another one. `make soak` draws it.
func lifeSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("REFERRAL_TEST_SEED")
	if text == "" {
		return 1
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("REFERRAL_TEST_SEED: %v", err)
	}
	return seed
}

// generator sends a workload to a world and to its mirror.
type generator struct {
	mirror
	workload  *workload.Generator
	told      workload.Summary
	sentFacts map[workload.Topic]int // sent, each counted once
	good      func(message)          // notes what is no bad input; nil for nobody
	sentAgain bool                   // bad input may have been sent more than once
}

const (
	lifeAccounts = 400
	sentAtOnce   = 300
)

func TestWorkloadIsSettledAsTheReferenceModelCalculates(t *testing.T) {
	w := newWorld(t)
	seed := lifeSeed(t)
	t.Logf("to see this life again: REFERRAL_TEST_SEED=%d", seed)
	life, err := workload.New(workload.Options{Seed: seed, Accounts: lifeAccounts, First: 202601, Months: 3})
	if err != nil {
		t.Fatal(err)
	}
	teller := generator{mirror: newMirror(w), workload: life, sentFacts: map[workload.Topic]int{}}
	w.serve()
	for phase := range life.Phases() {
		teller.tell(phase)
		w.drained()
		for month := range phase + 1 {
			teller.run(life.Period(month).String())
		}
		teller.check(fmt.Sprintf("seed %d, month %d", seed, phase+1))
	}
}

func (l *generator) tell(phase int) {
	l.w.t.Helper()
	var batch []message
	var issued []int64
	add := func(m *workload.Message) {
		l.told.Count(m)
		one := ofLife(m)
		if m.Expected.Bad == "" {
			l.take(one)
			if l.good != nil {
				l.good(one)
			}
			if !m.Expected.Repeat {
				l.sentFacts[m.Topic]++
			}
		}
		if batch = append(batch, one); len(batch) >= sentAtOnce {
			l.w.send(batch...)
			batch = nil
		}
	}
	for m := range l.workload.Registrations(phase) {
		add(&m)
		issued = append(issued, m.Expected.AccountID)
	}
	l.w.send(batch...)
	batch = nil
	l.w.learnCodes(issued...)
	for m, err := range l.workload.Rest(phase, func(account int64) (string, bool) { return l.w.codes[account], true }) {
		if err != nil {
			l.w.t.Fatal(err)
		}
		add(&m)
	}
	l.w.send(batch...)
}

// check compares the ledger with the model, and counts that nothing was lost.
func (l *generator) check(what string) {
	l.w.t.Helper()
	w := l.w
	w.check(what, l.wanted())
	for table, topic := range map[string]workload.Topic{"invoices": workload.Invoices, "activations": workload.Activation} {
		if got, want := w.number(`SELECT count(*) FROM `+table), l.sentFacts[topic]; got != want {
			w.t.Errorf("%s: %d %s taken, want %d", what, got, table, want)
		}
	}
	if got, want := w.number(`SELECT count(*) FROM activations WHERE status = 'pending'`), l.model.Pending(); got != want {
		w.t.Errorf("%s: %d activations wait, want %d", what, got, want)
	}
	if got, want := w.number(`SELECT count(*) FROM activations WHERE status = 'accepted'`), len(l.model.Accepted()); got != want {
		w.t.Errorf("%s: %d activations accepted, want %d", what, got, want)
	}
	aside := map[models.BadInput]int64{}
	for _, r := range query[struct {
		Reason string
		N      int64
	}](w, `SELECT reason, count(*) FROM dead_letters GROUP BY 1`) {
		aside[models.BadInput(r.Reason)] = r.N
	}
	if l.sentAgain {
		for reason, n := range aside {
			aside[reason] = min(n, l.told.Bad[reason])
		}
	}
	if !maps.Equal(aside, l.told.Bad) {
		w.t.Errorf("%s: set aside %v, want %v", what, aside, l.told.Bad)
	}
	if got := len(w.records("dead_letters")); int64(got) < sum(l.told.Bad) {
		w.t.Errorf("%s: %d messages on the topic of dead letters, want %d", what, got, sum(l.told.Bad))
	}
}

func sum[K comparable](counts map[K]int64) int64 {
	var n int64
	for _, c := range counts {
		n += c
	}
	return n
}
