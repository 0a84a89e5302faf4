package billing_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"referral/billing"
	"referral/models"
)

// Facts may come in any order, but for what cannot be otherwise:
//
//   - one account's requests to activate a code keep their order (they share a
//     key on their topic);
//   - a code exists once its owner's registration has arrived, so anyone who is
//     judged before that is told that the code is unknown, and rightly so. The
//     inviter's registration therefore comes before the judgement (not before the
//     request, which may be waiting for its own account's registration).
//
// And a decision is final, so where a test compares orders, what is told twice of
// an account does not differ in what a decision hangs on: of two registration
// dates both leave the request inside the window or both outside, and the tax id
// is one.

// maker makes facts about a handful of accounts, each an event of its own.
type maker struct {
	start time.Time
	tax   map[int64]string
	made  []*models.Fact
}

func (m *maker) add(data models.FactData) {
	id := fmt.Sprintf("e-%04d", len(m.made))
	// Few different times, so that names are often told at one moment.
	at := m.start.Add(time.Duration(len(m.made)%3) * time.Hour)
	if r, ok := data.(models.Registered); ok {
		r.Profile = models.Profile{Name: "as told by " + id, TaxID: m.tax[r.AccountID], At: at}
		data = r
	}
	m.made = append(m.made, &models.Fact{At: at, Data: data})
}

// day is some moment between two days after an account's own first day, often
// one that others share, or next to midnight in Moscow.
func (m *maker) day(t *rapid.T, account int64, from, to int) time.Time {
	day := rapid.IntRange(from, to).Draw(t, "day") + m.first(account)
	hour := rapid.SampledFrom([]int{0, 0, 0, 12, 23}).Draw(t, "hour")
	return m.start.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(rapid.IntRange(0, 1).Draw(t, "minute"))*59*time.Minute)
}

// first is the day on which an account registers at the earliest.
func (m *maker) first(account int64) int { return int(account-1) * 3 }

func (m *maker) register(t *rapid.T, account int64) {
	m.add(models.Registered{AccountID: account, RegisteredAt: m.day(t, account, 0, 4)})
}

func (m *maker) endPromo(t *rapid.T, account int64) {
	m.add(models.PromoEnded{AccountID: account, EndedAt: m.day(t, account, -10, 60)})
}

func (m *maker) leave(t *rapid.T, account int64) {
	m.add(models.Terminated{AccountID: account, TerminatedAt: m.day(t, account, 0, 150)})
}

// request enters a code: mostly within the window of every registration date
// that register can give, and sometimes outside all of them.
func (m *maker) request(t *rapid.T, account int64, code string) {
	from, to := -10, 26
	if oneIn(t, 10) {
		from, to = 60, 90
	}
	m.add(models.ActivationRequested{AccountID: account, Code: code, RequestedAt: m.day(t, account, from, to)})
}

// someCode is an inviter's among the accounts below, or one's own, or nobody's.
func someCode(t *rapid.T, account int64) string {
	if account == 1 || oneIn(t, 10) {
		return rapid.SampledFrom([]string{"QQQQQQQQQ", codeOf(account)}).Draw(t, "no good code")
	}
	return codeOf(rapid.Int64Range(max(1, account-12), account-1).Draw(t, "inviter")) // rather the lower
}

// oneIn is true now and then. Generators prefer small numbers, so that what fails
// becomes simple: what is common must be the smaller.
func oneIn(t *rapid.T, n int) bool { return rapid.IntRange(0, n-1).Draw(t, "now and then") == n-1 }

func newMaker(t *rapid.T, zone *time.Location, accounts int64) *maker {
	m := &maker{start: time.Date(2026, 1, 1, 0, 0, 0, 0, zone), tax: map[int64]string{}}
	for id := int64(1); id <= accounts; id++ {
		own := fmt.Sprint(100 + id)
		m.tax[id] = rapid.SampledFrom([]string{own, own, own, own, own, "", "1", "2"}).Draw(t, "tax id")
	}
	return m
}

// registrar follows who has registered, to tell what order is possible.
type registrar struct {
	ever       map[int64]bool // accounts that register at all
	registered map[int64]bool
	waiting    map[int64][]int64 // owners of the codes of waiting requests
	seen       map[*models.Fact]bool
	asked      map[int64]int        // requests so far
	turn       map[*models.Fact]int // which of its account's requests it is
}

func newRegistrar(all []*models.Fact) *registrar {
	r := &registrar{
		ever: map[int64]bool{}, registered: map[int64]bool{}, waiting: map[int64][]int64{},
		seen: map[*models.Fact]bool{}, asked: map[int64]int{}, turn: map[*models.Fact]int{},
	}
	for _, f := range all {
		switch data := f.Data.(type) {
		case models.Registered:
			r.ever[data.AccountID] = true
		case models.ActivationRequested:
			if _, repeated := r.turn[f]; !repeated {
				r.turn[f] = r.asked[data.AccountID]
				r.asked[data.AccountID]++
			}
		}
	}
	clear(r.asked)
	return r
}

// possible tells whether a fact can be the next to come, and if so takes it.
func (r *registrar) possible(f *models.Fact) bool {
	if r.seen[f] {
		return true // a repeat may come at any time
	}
	switch data := f.Data.(type) {
	case models.Registered:
		if !r.registered[data.AccountID] && !r.judged(data.AccountID, r.waiting[data.AccountID]...) {
			return false
		}
		r.registered[data.AccountID] = true
	case models.ActivationRequested:
		owner := ownerOf(data.Code)
		if r.turn[f] != r.asked[data.AccountID] || r.registered[data.AccountID] && !r.judged(data.AccountID, owner) {
			return false
		}
		r.asked[data.AccountID]++
		r.waiting[data.AccountID] = append(r.waiting[data.AccountID], owner)
	case models.StaffDecision: // a code can be accepted once it exists
		if data.Kind == models.DecisionAcceptCode && !r.registered[data.InviterID] {
			return false
		}
	}
	r.seen[f] = true
	return true
}

// judged tells whether requests for codes of these owners can be judged now.
func (r *registrar) judged(account int64, owners ...int64) bool {
	for _, owner := range owners {
		if r.ever[owner] && !r.registered[owner] && owner != account {
			return false
		}
	}
	return true
}

func ownerOf(code string) int64 {
	var id int64
	if _, err := fmt.Sscanf(code, "C%d", &id); err != nil {
		return 0
	}
	return id
}

// state is all that a world came to, but for how it came there.
func (w *world) state() string {
	w.Helper()
	entitlements := map[int64]models.Entitlements{}
	for id, s := range w.entitlements {
		account := w.accounts[id]
		if pure := w.derive(&account); fmt.Sprint(pure) != fmt.Sprint(s) {
			w.Errorf("account %d stands at %v, its facts give %v", id, s, pure)
		}
		if len(s.Discounts)+len(s.Grants) > 0 {
			entitlements[id] = s
		}
	}
	w.checkAnnounced()
	return fmt.Sprintf("%+v\n%+v\n%+v\n%+v", w.accounts, w.activations, w.referrals, entitlements)
}

// derive is an account's entitlements from its facts alone.
func (w *world) derive(a *models.Account) models.Entitlements {
	return w.programme.Entitlements(a, w.accepted(a.ID), slices.Collect(maps.Values(w.referrals[a.ID])), nil)
}

func afterFacts(t checker, p *billing.Programme, batches ...[]*models.Fact) *world {
	w := newWorld(t, p)
	for _, batch := range batches {
		w.take(batch...)
	}
	return w
}

// permutations calls do with every order of the facts; it must not keep the slice.
func permutations(facts []*models.Fact, do func([]*models.Fact)) {
	var place func(int)
	place = func(k int) {
		if k == len(facts) {
			do(facts)
			return
		}
		for i := k; i < len(facts); i++ {
			facts[k], facts[i] = facts[i], facts[k]
			place(k + 1)
			facts[k], facts[i] = facts[i], facts[k]
		}
	}
	place(0)
}

// someFewFacts is an invitation with three more facts, or fewer, that may come
// across it.
func someFewFacts(t *rapid.T, zone *time.Location) []*models.Fact {
	m := newMaker(t, zone, 3)
	m.register(t, 1)
	m.register(t, 2)
	m.request(t, 2, codeOf(1))
	for range rapid.SampledFrom([]int{2, 2, 2, 2, 2, 2, 1, 3}).Draw(t, "more facts") {
		switch rapid.SampledFrom([]string{"register", "promo", "leave", "request", "friend", "round", "repeat"}).Draw(t, "fact") {
		case "register":
			m.register(t, rapid.Int64Range(1, 3).Draw(t, "account"))
		case "promo":
			m.endPromo(t, 2)
		case "leave":
			m.leave(t, rapid.Int64Range(1, 2).Draw(t, "account"))
		case "request":
			m.request(t, 2, someCode(t, 2))
		case "friend":
			m.request(t, 3, someCode(t, 3))
		case "round":
			m.request(t, 1, codeOf(2))
		case "repeat":
			m.made = append(m.made, m.made[rapid.IntRange(0, len(m.made)-1).Draw(t, "repeated")])
		}
	}
	return m.made
}

// Every order of a few facts that is possible at all, taken one by one and in
// one batch, ends in the same accounts, decisions, referrals and entitlements.
func TestAllOrdersOfAFewFacts(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms())
	rapid.Check(t, func(t *rapid.T) {
		facts := someFewFacts(t, p.Zone)
		rules := slices.Clone(facts)
		var want string
		n := 0
		permutations(facts, func(order []*models.Fact) {
			r := newRegistrar(rules)
			for _, f := range order {
				if !r.possible(f) {
					return
				}
			}
			batches := slices.Collect(slices.Chunk(order, 1+n%len(order)))
			got := afterFacts(t, p, batches...).state()
			if n++; n == 1 {
				want = got
			}
			if got != want {
				t.Fatalf("after %s\n%s\nwant\n%s", list(order), got, want)
			}
		})
		if n < 2 {
			t.Fatalf("%d orders of %s are possible", n, list(facts))
		}
	})
}

func list(facts []*models.Fact) string {
	text := ""
	for _, f := range facts {
		text += fmt.Sprintf("\n  %T %+v", f.Data, f.Data)
	}
	return text
}

// someManyFacts is some months in the life of dozens of accounts.
func someManyFacts(t *rapid.T, zone *time.Location, accounts int64) []*models.Fact {
	m := newMaker(t, zone, accounts)
	for id := int64(1); id <= accounts; id++ {
		for _, c := range []struct {
			times []int
			make  func()
		}{
			{[]int{1, 1, 1, 1, 2, 1, 1, 1, 3, 0}, func() { m.register(t, id) }},
			{[]int{1, 1, 2, 1, 1, 3, 0}, func() { m.request(t, id, someCode(t, id)) }},
			{[]int{1, 1, 1, 2, 0}, func() { m.endPromo(t, id) }},
			{[]int{0, 0, 0, 0, 0, 1, 2}, func() { m.leave(t, id) }},
		} {
			for range rapid.SampledFrom(c.times).Draw(t, "times") {
				c.make()
			}
		}
	}
	return m.made
}

// shuffled is the facts in another order that is possible, some of them twice.
func shuffled(facts []*models.Fact, random *rand.Rand) []*models.Fact {
	waiting := slices.Clone(facts)
	for _, f := range facts {
		if random.IntN(4) == 0 {
			waiting = append(waiting, f)
		}
	}
	random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
	r := newRegistrar(facts)
	order := make([]*models.Fact, 0, len(waiting))
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, r.possible)
		if i < 0 {
			panic("no order is possible")
		}
		order = append(order, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return order
}

// inBatches cuts facts into batches, most of them much smaller than the largest.
func inBatches(facts []*models.Fact, largest int, random *rand.Rand) [][]*models.Fact {
	var batches [][]*models.Fact
	for len(facts) > 0 {
		n := min(len(facts), 1+random.IntN(1+random.IntN(largest)))
		batches = append(batches, facts[:n])
		facts = facts[n:]
	}
	return batches
}

// quickTerms has short months, so that climbs end and begin again, and promises new
// clients something else.
func quickTerms() billing.Terms {
	terms := customerTerms()
	terms.EffectiveFrom = models.NewDate(2026, 2, 1)
	terms.Invitee = billing.InviteeTerms{Percent: 30, Months: 2}
	terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 1, SMS: 500}, {Percent: 40, Months: 1}, {Percent: 60, Months: 2, SMS: 1200}, {Percent: 100, Months: 1, SMS: 500}}
	return terms
}

func TestShuffledFacts(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms(), quickTerms())
	rapid.Check(t, func(t *rapid.T) {
		facts := someManyFacts(t, p.Zone, rapid.SampledFrom([]int64{20, 60, 40, 60, 5, 2}).Draw(t, "accounts"))
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		want := afterFacts(t, p, inBatches(shuffled(facts, random), 100, random)...).state()
		for range 2 {
			order := shuffled(facts, random)
			if got := afterFacts(t, p, inBatches(order, 100, random)...).state(); got != want {
				t.Fatalf("after %s\n%s\nwant\n%s", list(order), got, want)
			}
		}
	})
}

// someInvoices is revisions of invoices, which may move to another month or be
// cancelled; lines have the same ids in every revision.
func someInvoices(t *rapid.T, m *maker, accounts int64) {
	for id := int64(1); id <= accounts; id++ {
		for n := range rapid.SampledFrom([]int{2, 3, 4, 1, 0}).Draw(t, "invoices") {
			for revision := range rapid.SampledFrom([]int{1, 2, 1, 2, 3}).Draw(t, "revisions") {
				m.add(someInvoice(t, id, fmt.Sprintf("INV-%d-%d", id, n), revision+1))
			}
		}
	}
}

func someInvoice(t *rapid.T, account int64, id string, revision int) *models.Invoice {
	period := models.NewPeriod(2026, rapid.SampledFrom([]time.Month{1, 2, 3, 4, 5}).Draw(t, "month"))
	inv := &models.Invoice{AccountID: account, ID: id, Revision: revision, Period: period, Currency: "RUB"}
	for line := range rapid.SampledFrom([]int{1, 2, 3, 1, 0}).Draw(t, "lines") {
		l := models.Line{ID: fmt.Sprint(line), From: period.First(), To: period.End()}
		l.Service = rapid.SampledFrom([]string{"subscription", "subscription", "calls", "calls", "sms_package", "fax"}).Draw(t, "service")
		l.Amount = models.Money(rapid.Int64Range(-50_000, 500_000).Draw(t, "amount"))
		if oneIn(t, 5) {
			l.From += models.Date(rapid.IntRange(0, 27).Draw(t, "first day"))
			l.To = l.From + models.Date(rapid.IntRange(0, 3).Draw(t, "days"))
		}
		inv.Lines = append(inv.Lines, l)
	}
	return inv
}

const (
	firstMonth models.Period = 202512
	lastMonth  models.Period = 202612
)

func (w *world) settleAll() {
	w.Helper()
	for p := firstMonth; p <= lastMonth; p = p.Next() {
		w.settle(p, false)
	}
}

// Facts and invoices in any order, with runs, repeated runs and closed months
// between them: in the end the ledger holds on every line what it holds when
// everything is settled once, and every package earned has gone out.
func TestAnyOrderEndsInTheSameSums(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms(), quickTerms())
	rapid.Check(t, func(t *rapid.T) {
		accounts := rapid.SampledFrom([]int64{6, 12, 20, 3, 2}).Draw(t, "accounts")
		m := newMaker(t, p.Zone, accounts)
		m.made = someManyFacts(t, p.Zone, accounts)
		someInvoices(t, m, accounts)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))

		once := afterFacts(t, p, m.made)
		once.settleAll()
		often := newWorld(t, p)
		for _, batch := range inBatches(shuffled(m.made, random), 12, random) {
			often.take(batch...)
			often.someRun(random)
		}
		often.settleAll()

		if once.state() != often.state() {
			t.Fatalf("the facts ended in\n%s\nwant\n%s", often.state(), once.state())
		}
		if got, want := often.sums(), once.sums(); !maps.Equal(got, want) {
			t.Fatalf("the ledger holds %v, settled once it holds %v", got, want)
		}
		once.checkPackages(true)
		often.checkPackages(false)
	})
}

func (w *world) someRun(random *rand.Rand) {
	w.Helper()
	p := models.NewPeriod(2026, time.Month(1+random.IntN(6)))
	switch random.IntN(10) {
	case 0, 1:
		w.settle(p, true)
	case 2, 3:
		w.settle(p, false)
	case 4:
		if w.periods[p] == models.PeriodRun {
			w.periods[p] = models.PeriodClosed
		}
	}
}

// checkPackages: as many of each size as were earned have gone out; more only
// where runs came before late facts.
func (w *world) checkPackages(exactly bool) {
	w.Helper()
	for id, s := range w.entitlements {
		missing, ids := map[int]int{}, map[models.UUID]bool{}
		for _, g := range s.Grants {
			missing[g.SMS]++
		}
		for _, p := range w.packages[id] {
			missing[p.SMS]--
			if ids[p.ID] {
				w.Errorf("package %s of %d went out twice", p.ID, id)
			}
			ids[p.ID] = true
		}
		for sms, n := range missing {
			if n > 0 || exactly && n < 0 {
				w.Errorf("account %d: %d packages of %d SMS are missing (below zero: too many)", id, n, sms)
			}
		}
	}
}
