package store_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"referral/billing"
	"referral/models"
)

// climb is a town of clients: 885 with five friends of April and a package,
// 700 with two, and bills for everybody in April and May.
func (l *life) climb() {
	l.Helper()
	l.inviter(885, 900, 901, 902, 903)
	l.inviter(700, 710, 711)
	l.facts(models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")}, models.PromoEnded{AccountID: 710, EndedAt: at("2026-05-10T21:00:00Z")})
	for _, id := range []int64{885, 900, 901, 902, 903, 700, 710, 711} {
		l.facts(invoice(id, 202604, 1, 300000, 1001), invoice(id, 202605, 1, 50000))
	}
}

// What a run comes to does not depend on how its accounts are cut into chunks,
// and no id is too far away to be in one.
func TestChunkBoundaries(t *testing.T) {
	t.Parallel()
	ids := []int64{1, 2, 3, 5, 8, 1 << 20, 1<<20 + 1, 1 << 40, math.MaxInt64 - 1, math.MaxInt64}
	for _, size := range []int{1, 2, 3, 9, 10, 11, 5000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			for i, id := range ids {
				friend := int64(100 + i)
				l.facts(registered(id, "2025-06-01T09:00:00Z"), registered(friend, "2026-04-01T08:00:00+03:00"), april(id, 1, 1000), april(friend, 1, 1000))
				l.facts(activated(friend, id, "2026-04-01T09:00:00+03:00"), models.PromoEnded{AccountID: friend, EndedAt: at("2026-04-01T09:00:00Z")})
			}
			run := l.settle(models.RunRequest{Period: 202604, Chunk: size})
			if run.Totals.Documents != 2*int64(len(ids)) || run.Totals.Amount != -200*models.Money(2*len(ids)) {
				t.Errorf("the run came to %+v", run.Totals)
			}
			l.tie(202604)
			if n, want := l.number("SELECT count(*) FROM run_chunks"), int64((2*len(ids)+size-1)/size); n != want {
				t.Errorf("%d chunks, want %d", n, want)
			}
			l.facts(april(math.MaxInt64, 2, 2000)) // and in a run of differences
			if late := l.settle(models.RunRequest{Period: 202604, Chunk: size}); late.Totals.Amount != -200 {
				t.Errorf("the last account's revision posted %+v", late.Totals)
			}
		})
	}
}

// Accounts that join in after a run was cut into chunks belong to one of them.
func TestAccountsJoinARunUnderWay(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	l.facts(april(885, 1, 1000))
	run := l.start(models.RunRequest{Period: 202604, Chunk: 1})
	for _, id := range []int64{1, 886, 1 << 50} {
		l.inviter(id, id+10)
		l.facts(april(id, 1, 1000))
	}
	if run = l.finish(run, l.pay); run.Totals.Documents != 4 {
		t.Errorf("the run came to %+v, want four documents", run.Totals)
	}
	l.tie(202604)
	if n := l.number("SELECT count(*) FROM stale"); n != 0 {
		t.Errorf("%d marks are left of what the run has settled", n)
	}
}

// Two months, each with its own run, in any order and at once.
func TestTwoPeriods(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	twin.settle(models.RunRequest{Period: 202605})
	twin.settle(models.RunRequest{Period: 202604})
	together(t, 2, func(i int) error {
		run, _, err := l.StartRun(t.Context(), models.RunRequest{Period: models.Period(202604 + i), Chunk: 1})
		if err == nil {
			_, err = l.carry(t.Context(), run, l.pay)
		}
		return err
	})
	l.tie(202604, 202605)
	if got, want := l.dump(ledger), twin.dump(ledger); got != want {
		t.Errorf("at once:\n%s\none by one:\n%s", got, want)
	}
}

// Three processes share a run: between them every account is settled once.
func TestWorkersShareARun(t *testing.T) {
	t.Parallel()
	l, twin := newLife(t), newLife(t)
	l.climb()
	twin.climb()
	twin.settle(models.RunRequest{Period: 202604})
	run := l.start(models.RunRequest{Period: 202604, Chunk: 1})
	processes := []*life{l, l.another(), l.another()}
	var mu sync.Mutex
	rehearsed := map[int64]int{}
	together(t, len(processes), func(i int) error {
		_, err := processes[i].carry(t.Context(), run, func(r models.Run, c *models.SettlementInput) models.SettlementResult {
			if r.State == models.RunRehearsing {
				mu.Lock()
				rehearsed[c.AccountID]++
				mu.Unlock()
			}
			return l.pay(r, c)
		})
		return err
	})
	for id, n := range rehearsed {
		if n != 1 {
			t.Errorf("account %d was rehearsed %d times", id, n)
		}
	}
	if got, want := l.dump(ledger), twin.dump(ledger); got != want || len(rehearsed) == 0 {
		t.Errorf("three processes posted\n%s\nand one\n%s", got, want)
	}
	l.tie(202604)
}

// Replicas that fire at one moment make one run, and one that comes when it has
// ended makes no other.
func TestOneSlotOneRun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	processes := []*life{l, l.another(), l.another(), l, l}
	var started atomic.Int64
	runs := make([]models.Run, len(processes))
	q := models.RunRequest{Period: 202604, Slot: "2026-04@2026-05-01T00:00:00Z", Needed: true, Chunk: 2}
	together(t, len(processes), func(i int) error {
		run, first, err := processes[i].StartRun(t.Context(), q)
		if first {
			started.Add(1)
		}
		if err == nil {
			runs[i], err = processes[i].carry(t.Context(), run, l.pay)
		}
		return err
	})
	late, first, err := l.StartRun(t.Context(), q)
	if err != nil || first || late.Active() {
		t.Errorf("a latecomer got %+v, %t, %v", late, first, err)
	}
	for _, run := range append(runs, late) {
		if run.ID != runs[0].ID || run.State != models.RunDone || run.Totals != runs[0].Totals {
			t.Errorf("one of them got %+v, another %+v", run, runs[0])
		}
	}
	if n := l.number("SELECT count(*) FROM runs"); n != 1 || started.Load() != 1 {
		t.Errorf("%d runs, %d started", n, started.Load())
	}
}

// The brake holds the run with nothing posted, and the clock leaves it alone. A
// run asked for again is rehearsed again, for facts have come; accepted, it passes.
func TestBrakeHolds(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	tight := terms()
	tight.Brake = billing.Limits{LargestTotal: 100}
	l.p = programme(t, tight)
	l.climb()
	first := l.settle(models.RunRequest{Period: 202604})
	l.holds(202604, true)
	if first.State != models.RunBraked || first.Totals.Amount >= 0 || first.Brake == "" {
		t.Fatalf("the run came to %+v", first)
	}
	if run, started, err := l.StartRun(t.Context(), models.RunRequest{Period: 202604, Needed: true, Slot: "night"}); started || run.ID != 0 || err != nil {
		t.Errorf("the clock started %+v, %v", run, err)
	}
	l.facts(models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-15T21:00:00Z")})
	again := l.settle(models.RunRequest{Period: 202604})
	if again.State != models.RunBraked || again.ID == first.ID || again.Totals.Documents <= first.Totals.Documents {
		t.Errorf("rehearsed again: %+v", again)
	}
	if posted := l.dump(ledger); posted != "" {
		t.Errorf("a braked run has posted\n%s", posted)
	}
	// Two persons have accepted half of what the run comes to by now.
	half := again.Totals.Amount / 2
	if run := l.settle(models.RunRequest{Period: 202604, Accept: true, Amount: &half}); run.State != models.RunBraked || !strings.Contains(run.Brake, "accepted_total") {
		t.Errorf("accepted before the facts changed, the run came to %+v", run)
	}
	if run := l.settle(models.RunRequest{Period: 202604, Accept: true, Amount: &again.Totals.Amount}); run.State != models.RunDone || run.Totals.Documents != again.Totals.Documents {
		t.Errorf("accepted, the run came to %+v", run)
	}
	l.holds(202604, false)
	if got := l.dump("SELECT run_id, state FROM runs"); got != "(1,abandoned)\n(2,abandoned)\n(3,abandoned)\n(4,done)" {
		t.Errorf("runs:\n%s", got)
	}
	l.tie(202604)
}

// holds checks whether the calendar shows a period's run as held by the brake.
func (l *life) holds(p models.Period, want bool) {
	l.Helper()
	periods, err := l.Periods(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	for _, info := range periods {
		if info.Braked != (want && info.Period == p) {
			l.Errorf("%+v", info)
		}
	}
}

// A person's word given while the run is still being rehearsed lets it pass.
func TestAcceptedWhileRehearsing(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	tight := terms()
	tight.Brake = billing.Limits{LargestTotal: 100}
	l.p = programme(t, tight)
	l.climb()
	run := l.start(models.RunRequest{Period: 202604})
	little := models.Money(-1)
	if same := l.start(models.RunRequest{Period: 202604, Accept: true, Amount: &little}); same.ID != run.ID || !same.Accepted || *same.AcceptedAmount != little {
		t.Fatalf("accepting found %+v", same)
	}
	if held := l.finish(run, l.pay); held.State != models.RunBraked {
		t.Fatalf("accepted for less than it comes to: %+v", held)
	}
	run = l.start(models.RunRequest{Period: 202604})
	if same := l.start(models.RunRequest{Period: 202604, Accept: true}); same.ID != run.ID || !same.Accepted || same.AcceptedAmount != nil {
		t.Fatalf("accepting found %+v", same)
	}
	if run = l.finish(run, l.pay); run.State != models.RunDone {
		t.Errorf("the run ended %s: %s", run.State, run.Brake)
	}
}

// A full run looks at everybody again and posts nothing, for nothing has changed;
// what an unmarked change in the ledger's basis left behind it does put right.
func TestFullRunRepostsNothing(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	before := l.dump(ledger)
	full := l.settle(models.RunRequest{Period: 202604, Full: true})
	if full.Kind != models.RunFull || full.State != models.RunDone || full.Totals.Documents+full.Totals.Packages != 0 || full.Totals.Accounts == 0 {
		t.Errorf("the full run came to %+v", full)
	}
	if l.dump(ledger) != before {
		t.Error("the ledger has changed")
	}
	l.exec("DELETE FROM discounts WHERE account_id = 700") // somebody's hands in the database
	if full = l.settle(models.RunRequest{Period: 202604, Full: true}); full.Totals.Amount <= 0 {
		t.Errorf("the full run came to %+v, want it to take back what has no ground", full.Totals)
	}
}

// A rehearsal writes nothing, and tells what the run then posts.
func TestRehearsalTellsWhatTheRunPosts(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	steps := []struct {
		name  string
		q     models.RunRequest
		facts []models.FactData
	}{
		{name: "the month's own run", q: models.RunRequest{Period: 202604, Chunk: 3}},
		{name: "nothing left", q: models.RunRequest{Period: 202604, Chunk: 3}},
		{name: "differences", q: models.RunRequest{Period: 202604, Chunk: 1}, facts: []models.FactData{april(885, 2, 7), models.PromoEnded{AccountID: 902, EndedAt: at("2026-04-02T21:00:00Z")}}},
		{name: "a full run", q: models.RunRequest{Period: 202604, Full: true, Chunk: 2}, facts: []models.FactData{april(900, 2)}},
		{name: "a month never heard of", q: models.RunRequest{Period: 202712, Chunk: 2}},
	}
	for _, s := range steps {
		l.facts(s.facts...)
		before, posted := l.everything(), l.dump(ledger)
		var told models.Totals
		dry, _, err := l.Rehearse(t.Context(), s.q, l.pay, func(o *models.SettlementResult) error {
			told.Count(o)
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if l.everything() != before {
			t.Fatalf("%s: the rehearsal has left a trace", s.name)
		}
		run := l.settle(s.q)
		if dry.Totals != run.Totals || told != run.Totals || dry.Kind != run.Kind || dry.PostingPeriod != run.PostingPeriod {
			t.Errorf("%s: rehearsed %+v, posted %+v", s.name, dry, run)
		}
		if changed := l.dump(ledger) != posted; changed != (run.Totals.Documents+run.Totals.Packages > 0) {
			t.Errorf("%s: totals %+v, the ledger changed: %t", s.name, run.Totals, changed)
		}
	}
}

// After finance's sign-off a difference goes to the next open month, and still
// names the invoice and the month that it is about.
func TestClosedPeriodsPostForward(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	if _, err := l.closes(202604, "Anna", "because"); !isNotClosed(err, "it has not been run") {
		t.Errorf("closing a month that was not run: %v", err)
	}
	l.calm()
	l.mustClose(202604)
	if _, err := l.closes(202604, "Boris", "because"); !isNotClosed(err, "closed already: signed by Anna on ") {
		t.Errorf("closing it again: %v", err)
	}
	l.facts(april(885, 2, 0), models.PromoEnded{AccountID: 901, EndedAt: at("2026-04-15T21:00:00Z")})
	run := l.settle(models.RunRequest{Period: 202604, Needed: true})
	if run.Kind != models.RunDifferences || run.PostingPeriod != 202605 || run.Totals.Documents != 2 {
		t.Errorf("the differences of a closed month: %+v", run)
	}
	if got := l.dump("SELECT DISTINCT invoice_id, period, posting_period FROM adjustments WHERE run_id = $1", run.ID); got !=
		"(INV-2026-04-885,202604,202605)\n(INV-2026-04-901,202604,202605)" {
		t.Errorf("posted:\n%s", got)
	}
	l.settle(models.RunRequest{Period: 202605})
	l.mustClose(202605)
	l.facts(april(885, 3, 100))
	if run = l.settle(models.RunRequest{Period: 202604}); run.PostingPeriod != 202606 {
		t.Errorf("with May closed too, posted to %s", run.PostingPeriod)
	}
	l.calm()
	l.tie(202604, 202605)
}

// What finance has signed may not grow afterwards: a month is not closed under a
// run that posts to it.
func TestNoClosingUnderARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.calm()
	l.facts(april(885, 2, 0))
	run := l.start(models.RunRequest{Period: 202604})
	for range 2 {
		if _, err := l.closes(202604, "Anna", "because"); !isNotClosed(err, "a run is under way that posts to it") {
			t.Errorf("closed under a run that is %s: %v", run.State, err)
		}
		run = l.phase(run, l.pay)
	}
	l.mustClose(202604)
	l.facts(april(885, 3, 10))
	run = l.start(models.RunRequest{Period: 202604}) // posts to May
	if _, err := l.closes(202605, "Anna", "because"); !isNotClosed(err, "a run is under way that posts to it") {
		t.Errorf("closed under a run of another month that posts to it: %v", err)
	}
	l.finish(run, l.pay)
}

// A package goes out once, in the month that it is earned, whatever is heard later
// about who came first.
func TestPackagesAcrossPeriods(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"))
	for i, on := range []string{"2026-02-10", "2026-03-05", "2026-04-20", "2026-05-02", "2026-05-03"} {
		friend := int64(900 + i)
		l.facts(registered(friend, on+"T08:00:00Z"), activated(friend, 885, on+"T09:00:00Z"))
	}
	for _, p := range []models.Period{202602, 202603, 202604, 202605} {
		l.facts(invoice(885, p, 1, 1000))
	}
	l.calm()
	want := `(885,1200,1,2026-04-20,202604,INV-2026-04-885)` + "\n" + `(885,3200,1,2026-05-03,202605,INV-2026-05-885)`
	packages := "SELECT account_id, sms, ordinal, granted_on, period, invoice_id FROM sms_packages"
	if got := l.dump(packages); got != want {
		t.Errorf("packages:\n%s\nwant\n%s", got, want)
	}
	// Now the third client turns out to have come in March, and the fifth in April.
	l.facts(registered(910, "2026-03-01T08:00:00Z"), activated(910, 885, "2026-03-01T09:00:00Z"))
	l.calm()
	if got := l.dump(packages); got != want {
		t.Errorf("after a late activation, packages:\n%s\nwant\n%s", got, want)
	}
	l.tie(202602, 202603, 202604, 202605)
	// A second climb, eighteen months on, earns another.
	for i, on := range []string{"2028-01-01", "2028-01-02", "2028-01-03"} {
		friend := int64(950 + i)
		l.facts(registered(friend, on+"T08:00:00Z"), activated(friend, 885, on+"T09:00:00Z"))
	}
	l.facts(invoice(885, 202801, 1, 1000))
	l.calm()
	if got := l.dump(packages); got != want[:len(want)-len(`(885,3200,1,2026-05-03,202605,INV-2026-05-885)`)]+`(885,1200,2,2028-01-03,202801,INV-2028-01-885)`+"\n"+`(885,3200,1,2026-05-03,202605,INV-2026-05-885)` {
		t.Errorf("after a second climb, packages:\n%s", got)
	}
}

// Held lines are kept as the last settlement found them.
func TestHeldLines(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.inviter(885, 900)
	bill := april(885, 1, 1000, 500)
	bill.Lines[1].Service = "robot"
	l.facts(bill)
	if run := l.settle(models.RunRequest{Period: 202604}); run.Totals.HeldLines != 1 || run.Totals.Amount != -200 {
		t.Errorf("the run came to %+v", run.Totals)
	}
	if got := l.dump("SELECT * FROM held_lines"); got != "(885,202604,INV-2026-04-885,2,robot,500,0)" {
		t.Errorf("held: %s", got)
	}
	l.facts(april(885, 2, 1000, 500))
	l.settle(models.RunRequest{Period: 202604})
	if got := l.dump("SELECT * FROM held_lines"); got != "" {
		t.Errorf("still held: %s", got)
	}
}

// Progress counts the chunks of the present phase.
func TestProgress(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.start(models.RunRequest{Period: 202604, Chunk: 3})
	for _, phase := range []models.RunState{models.RunRehearsing, models.RunPosting} {
		all := int(l.number("SELECT count(*) FROM run_chunks"))
		for done := range all {
			if through, of, err := l.Progress(t.Context(), run); through != done || of != all || err != nil {
				t.Errorf("%s: %d of %d, %v; want %d of %d", phase, through, of, err, done, all)
			}
			if _, moved, err := l.AdvanceRun(t.Context(), run.ID, l.p.Brake); moved || err != nil {
				t.Errorf("%s: moved on before its time: %v", phase, err)
			}
			if _, _, err := l.WorkChunk(t.Context(), run, l.pay); err != nil {
				t.Fatal(err)
			}
		}
		run = l.phase(run, l.pay)
	}
	if active, err := l.ActiveRuns(t.Context()); len(active) != 0 || err != nil {
		t.Errorf("still at work: %v, %v", active, err)
	}
}
