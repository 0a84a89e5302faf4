package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"referral/models"
)

// history is facts about a few accounts and four months of invoices, that correct
// one another in every way: earlier registrations, promo ends and terminations, lines
// with days of other months, and invoices that move between months.
type history struct {
	*rand.Rand
	start time.Time
}

var historyPeriods = []models.Period{202603, 202604, 202605, 202606}

const historyInviters = 3

func newHistory(r *rand.Rand) *history { return &history{r, at("2026-03-01T00:00:00Z")} }

func (h *history) on(days int) time.Time {
	return h.start.Add(time.Duration(h.IntN(days*24*60)) * time.Minute)
}

func (h *history) register(id int64) models.Registered {
	return models.Registered{AccountID: id, RegisteredAt: h.on(5), Profile: models.Profile{TaxID: fmt.Sprint(id)}}
}

// owners are those whose codes the others enter: what an activation is told depends
// on when a code exists.
func (h *history) owners() (facts []models.FactData) {
	for id := int64(1); id <= historyInviters; id++ {
		facts = append(facts, h.register(id))
	}
	return facts
}

// facts are in an order that keeps the activations of each account in theirs.
func (h *history) facts() (facts []models.FactData) {
	for id := int64(1); id <= 20; id++ {
		for range 1 + h.IntN(2) {
			facts = append(facts, h.register(id))
		}
		if id > historyInviters { // within the window of every registration
			facts = append(facts, models.ActivationRequested{AccountID: id, Code: codeOf(1 + h.Int64N(historyInviters)), RequestedAt: h.on(28)})
		}
		for range h.IntN(3) {
			facts = append(facts, models.PromoEnded{AccountID: id, EndedAt: h.on(100)})
		}
		if h.IntN(4) == 0 {
			facts = append(facts, models.Terminated{AccountID: id, TerminatedAt: h.on(130)}, models.Terminated{AccountID: id, TerminatedAt: h.on(130)})
		}
		for n := range historyPeriods {
			facts = append(facts, h.revisions(id, n)...)
		}
	}
	return shuffled(h.Rand, facts)
}

func (h *history) revisions(account int64, n int) (facts []models.FactData) {
	for revision := 1; revision <= 1+h.IntN(4)*h.IntN(2); revision++ {
		period := historyPeriods[n]
		if revision > 1 || h.IntN(4) == 0 {
			period = historyPeriods[h.IntN(len(historyPeriods))]
		}
		inv := &models.Invoice{AccountID: account, ID: fmt.Sprintf("INV-%d-%d", account, n), Revision: revision, Period: period, Currency: "RUB"}
		for line := range h.IntN(3) {
			from := period.First() + models.Date((h.IntN(120)-60)*h.IntN(2))
			inv.Lines = append(inv.Lines, models.Line{
				ID: fmt.Sprint(line), Service: "calls", From: from, To: from + models.Date(h.IntN(40)), Amount: models.Money(1000 + h.IntN(1_000_000)),
			})
		}
		facts = append(facts, inv)
	}
	return facts
}

// Whatever facts come late, in whatever order and in whatever phase of whichever
// run, settling what they have marked leaves nothing that a settlement of all
// accounts would find, and comes to what one settlement of all facts comes to.
func TestDifferencesFindWhatAFullRunFinds(t *testing.T) {
	t.Parallel()
	for round := range 6 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			h := newHistory(rand.New(rand.NewPCG(seed, 0)))
			l, union := newLife(t), newLife(t)
			owners, facts := h.owners(), h.facts()
			union.facts(slices.Concat(owners, facts)...)
			union.calm()

			l.facts(owners...)
			early := h.IntN(len(facts))
			l.facts(facts[:early]...)
			l.calm()
			if h.IntN(2) == 0 {
				l.close(historyPeriods[:1+h.IntN(3)]...)
			}
			l.meanwhile(h.Rand, facts[early:])
			l.calm()

			l.tie(historyPeriods...)
			for _, p := range historyPeriods {
				if full := l.settle(models.RunRequest{Period: p, Full: true, Accept: true}); full.Totals.Documents+full.Totals.Packages > 0 {
					t.Errorf("a full run of %s posted %+v", p, full.Totals)
				}
			}
			const amounts = "SELECT account_id, invoice_id, line_id, sum(amount_minor) FROM adjustment_items GROUP BY 1, 2, 3 HAVING sum(amount_minor) <> 0"
			if got, want := l.dump(amounts), union.dump(amounts); got != want || want == "" {
				t.Errorf("the ledger comes to\n%s\nall facts at once come to\n%s", got, want)
			}
		})
	}
}

// close signs periods off, as far as the ledger is concerned.
func (l *life) close(periods ...models.Period) {
	l.Helper()
	for _, p := range periods {
		l.exec("UPDATE periods SET closed_at = now(), closed_by = 'test' WHERE period = $1", int(p))
	}
}

// meanwhile takes facts while runs of all periods are under way: between any two
// batches one of them goes through a phase, in one process or in another.
func (l *life) meanwhile(r *rand.Rand, facts []models.FactData) {
	l.Helper()
	processes := []*life{l, l.another()}
	runs := map[models.Period]models.Run{}
	for _, batch := range cut(r, facts, 1+r.IntN(20)) {
		processes[r.IntN(2)].facts(batch...)
		for range r.IntN(3) {
			p := historyPeriods[r.IntN(len(historyPeriods))]
			if run := runs[p]; run.Active() {
				runs[p] = processes[r.IntN(2)].phase(run, l.pay)
			} else {
				runs[p] = l.start(models.RunRequest{Period: p, Accept: true, Chunk: 1 + r.IntN(30)})
			}
		}
	}
	for _, run := range runs {
		l.finish(run, l.pay)
	}
}
