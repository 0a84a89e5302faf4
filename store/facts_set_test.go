package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"referral/models"
)

// The facts are a set: whatever batches bring them, with repeats under other event
// ids and in any order, the state is that of their union in one batch.
func TestStateIsThatOfTheUnion(t *testing.T) {
	t.Parallel()
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			l, union := newLife(t), newLife(t)
			facts := someFacts(r)
			union.take(union.deliveries(facts...)...)

			for _, batch := range cut(r, l.arrivals(r, facts), 1+r.IntN(40)) {
				if slices.Contains(l.take(batch...), models.DeadLettered) {
					t.Fatal("a fact was set aside")
				}
			}
			for _, state := range settledState() {
				if got, want := l.dump(state), union.dump(state); got != want || want == "" {
					t.Errorf("%s: the batches left\n%s\ntheir union\n%s", state, got, want)
				}
			}
			if got := l.number(`SELECT count(*) FROM accounts WHERE registered_at IS NOT NULL AND registered_provenance IS NULL
				OR promo_ended_at IS NOT NULL AND promo_ended_provenance IS NULL`); got != 0 {
				t.Errorf("%d accounts do not tell where they have their facts from", got)
			}
		})
	}
}

// someFacts is facts that do not contradict one another, many of which the rules
// have to merge. Those who own codes are registered first: what an activation is
// told may depend on that.
func someFacts(r *rand.Rand) []models.FactData {
	start := at("2026-03-01T00:00:00Z")
	on := func(days int) time.Time { return start.Add(time.Duration(r.IntN(days*24*60)) * time.Minute) }
	var facts []models.FactData
	register := func(id int64) {
		facts = append(facts, models.Registered{AccountID: id, RegisteredAt: on(5), Profile: models.Profile{
			Name: fmt.Sprint("name ", r.IntN(3)), TaxID: fmt.Sprint(id), Phone: fmt.Sprint(r.IntN(2)), At: start.AddDate(0, 0, r.IntN(2)),
		}})
	}
	for id := int64(1); id <= lifeInviters; id++ {
		register(id)
	}
	for id := int64(1); id <= 40; id++ {
		for range r.IntN(3) {
			register(id)
		}
		for range r.IntN(3) { // within the window of every registration, or beyond all of them
			when := on(28).AddDate(0, 0, r.IntN(5)/4*60)
			facts = append(facts, models.ActivationRequested{AccountID: id, Code: codeOf(r.Int64N(lifeInviters + 1)), RequestedAt: when})
		}
		for range r.IntN(3) {
			facts = append(facts, models.PromoEnded{AccountID: id, EndedAt: on(60)})
		}
		for range r.IntN(8) / 6 * min(int(id)-1, 1) { // not the first inviter, who is to have something in any case
			facts = append(facts, models.Terminated{AccountID: id, TerminatedAt: on(90)})
		}
		for revision := 1; revision <= 1+r.IntN(3); revision++ {
			facts = append(facts, invoice(id, models.Period(202603+r.IntN(3)), revision, models.Money(r.IntN(1000)), models.Money(r.IntN(1000))))
		}
		for n := range r.IntN(3) {
			facts = append(facts, models.Result{
				AdjustmentID: models.UUID{byte(id)}, AccountID: id, Status: models.ResultApplied, Amount: -models.Money(r.IntN(9)), At: start.AddDate(0, 0, n),
			})
		}
	}
	for id := int64(91); id <= 93; id++ {
		register(id)
		facts = append(facts, models.ActivationRequested{AccountID: id, Code: codeOf(1), RequestedAt: on(28)})
	}
	return facts
}

// arrivals is the facts as they may come: shuffled, some of them again in other
// events, an account's activations in their order.
func (l *life) arrivals(r *rand.Rand, facts []models.FactData) []models.DecodedMessage {
	first, rest := facts[:lifeInviters], slices.Clone(facts[lifeInviters:])
	for range len(rest) / 2 {
		rest = append(rest, retold(rest[r.IntN(len(rest))]))
	}
	order := map[models.ActivationKey]int{}
	for i, f := range facts {
		if a, ok := f.(models.ActivationRequested); ok {
			if _, again := order[a.Key()]; !again {
				order[a.Key()] = i
			}
		}
	}
	rest = shuffled(r, rest)
	inOrder(rest, order)
	return l.deliveries(slices.Concat(first, rest)...)
}

// retold is the same fact, written in another way.
func retold(f models.FactData) models.FactData {
	switch f := f.(type) {
	case *models.Invoice:
		other := *f
		other.Lines = slices.Clone(f.Lines)
		slices.Reverse(other.Lines)
		return &other
	case models.ActivationRequested:
		f.RequestedAt = f.RequestedAt.In(moscow)
		return f
	}
	return f
}

// inOrder puts the activations of each account in their order, on the places that
// they have. A repeat stands behind what it repeats.
func inOrder(facts []models.FactData, order map[models.ActivationKey]int) {
	places := map[int64][]int{}
	for i, f := range facts {
		if a, ok := f.(models.ActivationRequested); ok {
			places[a.AccountID] = append(places[a.AccountID], i)
		}
	}
	for _, at := range places {
		own := make([]models.FactData, len(at))
		for n, i := range at {
			own[n] = facts[i]
		}
		slices.SortStableFunc(own, func(a, b models.FactData) int {
			return order[a.(models.ActivationRequested).Key()] - order[b.(models.ActivationRequested).Key()]
		})
		for n, i := range at {
			facts[i] = own[n]
		}
	}
}

// Each fact tells where it came from: the value that counts, not one that came
// later and says the same or less; in every process, also in one that has taken
// nothing itself.
func TestProvenance(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	from := func(topic string, offset int64, data models.FactData) models.DecodedMessage {
		d := l.fact(data)
		d.Fact.Provenance = models.Provenance{Origin: models.Origin{Topic: topic, Partition: 3, Offset: offset}, At: l.now.Add(time.Duration(offset%1000) * time.Millisecond)}
		return d
	}
	profiled := registered(885, "2026-04-03T09:00:00Z")
	profiled.Profile.At = at("2026-04-09T09:00:00Z")
	answer := models.Result{AdjustmentID: l.post(), AccountID: 885, Status: models.ResultApplied, At: l.now}
	request := l.fact(activated(885, 700, "2026-04-02T09:00:00Z"))
	request.Fact.Provenance = models.Provenance{Request: models.UUID{7}, At: l.now}
	batch := []models.DecodedMessage{
		from("pbx.registered", 1, registered(885, "2026-04-02T09:00:00Z")), from("pbx.registered", 1<<40, registered(885, "2026-04-01T09:00:00Z")),
		from("pbx.registered", 3, profiled), from("pbx.registered", 4, registered(885, "2026-04-01T09:00:00Z")),
		from("pbx.promo-ended", 5, models.PromoEnded{AccountID: 885, EndedAt: l.now}), from("pbx.terminated", 6, models.Terminated{AccountID: 885, TerminatedAt: l.now}),
		request, from("billing.invoices", 8, april(885, 1, 100)), from("billing.invoices", 9, april(885, 2, 100)), from("billing.results", 10, answer),
	}
	l.take(batch...)
	for i := range batch {
		batch[i].Fact.Provenance = models.Provenance{Origin: models.Origin{Topic: "again", Offset: int64(i)}, At: l.now}
	}
	l.take(batch...)
	l.facts(models.PromoEnded{AccountID: 885, EndedAt: l.now.Add(time.Hour)})

	c, _, err := l.another().AccountHistory(t.Context(), 885)
	if err != nil {
		t.Fatal(err)
	}
	place := func(p models.Provenance) string {
		if p.Topic == "" {
			return fmt.Sprint("request ", p.Request[0], " ", p.At.Sub(l.now))
		}
		return fmt.Sprint(p.Topic, " ", p.Partition, " ", p.Offset, " ", p.At.Sub(l.now))
	}
	for what, pair := range map[string][2]string{
		"registered":  {place(c.Account.Provenance.Registered), "pbx.registered 3 1099511627776 776ms"},
		"profile":     {place(c.Account.Provenance.Profile), "pbx.registered 3 3 3ms"},
		"promo ended": {place(c.Account.Provenance.PromoEnded), "pbx.promo-ended 3 5 5ms"},
		"terminated":  {place(c.Account.Provenance.Terminated), "pbx.terminated 3 6 6ms"},
		"activation":  {place(c.Activations[0].Provenance), "request 7 0s"},
		"invoice":     {place(c.Invoices[0].Provenance), "billing.invoices 3 9 9ms"},
		"answer":      {place(c.Strays[0].Answers[0].Provenance), "billing.results 3 10 10ms"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s came from %s, want %s", what, pair[0], pair[1])
		}
	}
}

// post writes a document of account 885 whose invoice is not there.
func (l *life) post() models.UUID {
	l.Helper()
	id := models.UUID{0x88, 0x50}
	l.exec(`INSERT INTO adjustments (account_id, storage_period, invoice_id, sequence, adjustment_id, invoice_revision, period, posting_period,
			currency, amount_minor, reason, run_id, chunk_no, items)
		VALUES (885, 202604, 'GONE', 1, '` + id.String() + `', 1, 202604, 202604, 'RUB', 0, 'run', 1, 1, '')`)
	return id
}
