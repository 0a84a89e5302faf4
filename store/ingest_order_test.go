package store_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// Twenty friends enter one code at one moment: every one of them counts, and
// each on its own step.
func TestTwentyFriendsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.facts(registered(885, "2025-06-01T09:00:00Z"))
	const friends = 20
	var want []models.Referral
	var batches [][]models.DecodedMessage
	for i := range int64(friends) {
		when := at("2026-04-01T09:00:00Z").Add(time.Duration(i%7) * 31 * time.Hour)
		want = append(want, models.Referral{InviterID: 885, InviteeID: 900 + i, ActivatedAt: when})
		batches = append(batches, l.deliveries(
			models.Registered{AccountID: 900 + i, RegisteredAt: at("2026-04-01T08:00:00Z"), Profile: models.Profile{TaxID: fmt.Sprint(i)}},
			models.ActivationRequested{AccountID: 900 + i, Code: codeOf(885), RequestedAt: when},
		))
	}
	others := []*life{l, l.another(), l.another()}
	together(t, friends, func(i int) error {
		_, err := others[i%len(others)].Ingest(t.Context(), batches[i], l.derive)
		return err
	})
	d, _, err := l.AccountHistory(t.Context(), 885)
	if err != nil {
		t.Fatal(err)
	}
	entitlements := l.p.Entitlements(&d.Account, nil, want, nil)
	if len(d.Referrals) != friends || fmt.Sprint(d.Stored) != fmt.Sprint(entitlements) {
		t.Errorf("%d referrals, entitlements %v; want %d, %v", len(d.Referrals), d.Stored, friends, entitlements)
	}
	if steps := l.p.Ladder(d.Referrals); fmt.Sprint(steps) != fmt.Sprint(l.p.Ladder(want)) {
		t.Errorf("the ladder is %v", steps)
	}
	if n := l.number("SELECT count(DISTINCT event_id) FROM outbox WHERE type = 'referral.activated.v1'"); n != friends {
		t.Errorf("%d activations were announced", n)
	}
}

// The same batch in five hands takes effect once.
func TestOneBatchInFiveHands(t *testing.T) {
	t.Parallel()
	for round := range 3 {
		t.Run(fmt.Sprint(round), fiveHands)
	}
}

func fiveHands(t *testing.T) {
	l, twin := newLife(t), newLife(t)
	batch := l.deliveries(
		registered(885, "2025-06-01T09:00:00Z"), registered(900, "2026-04-01T08:00:00Z"), activated(900, 885, "2026-04-01T09:00:00Z"),
		activated(900, 885, "2026-04-02T09:00:00Z"), april(885, 1, 300000), april(885, 2, 200000),
		models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV", 1), AccountID: 885, Status: models.ResultApplied, Amount: -5, At: l.now},
		models.PromoEnded{AccountID: 900, EndedAt: at("2026-04-15T21:00:00Z")},
	)
	batch = append(batch, models.DecodedMessage{
		Message: models.Message{Origin: models.Origin{Topic: "t", Offset: 1 << 40}, At: l.now}, Err: &models.InputError{Reason: models.BadUnreadable},
	})
	twin.take(batch...)
	applied := make([]int, len(batch))
	fate := make([][]models.Disposition, 5)
	together(t, len(fate), func(i int) (err error) {
		fate[i], err = l.Ingest(t.Context(), batch, l.derive)
		return err
	})
	for _, list := range fate {
		for i, d := range list {
			if d == models.Applied {
				applied[i]++
			}
		}
	}
	if fmt.Sprint(applied) != "[1 1 1 1 1 1 1 1 0]" {
		t.Errorf("each was applied %v times", applied)
	}
	for _, state := range append(settledState(), "SELECT account_id, type, event_id, data FROM outbox", "SELECT topic, \"offset\" FROM dead_letters") {
		if got, want := l.dump(state), twin.dump(state); got != want {
			t.Errorf("five hands left\n%s\nand one hand\n%s", got, want)
		}
	}
}

// settledState is what the facts give, with nothing in it of when and how they came.
func settledState() []string {
	return []string{
		`SELECT account_id, code, name, tax_id, email, phone, promo_until, profile_at, registered_at, promo_ended_at, terminated_at FROM accounts`,
		"SELECT * FROM codes", "SELECT account_id, requested_at, code, status, reason, inviter_id FROM activations",
		"SELECT * FROM referrals", "SELECT * FROM discounts", "SELECT * FROM package_grants",
		"SELECT account_id, period, invoice_id, revision, currency FROM invoices",
		"SELECT account_id, period, invoice_id, revision, line_id, service, from_day, to_day, amount_minor FROM invoice_lines",
		"SELECT period, min_day, max_day FROM periods", "SELECT adjustment_id, account_id, status, amount_minor, at FROM results",
	}
}

// Batches that overlap in every way, in many hands at once: they all come
// through, and it is as if they had come one by one.
func TestOverlappingBatches(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	l, twin := newLife(t), newLife(t)
	all := randomLife(r, l)
	inviters, all := all[:lifeInviters], all[lifeInviters:]
	l.take(inviters...)
	twin.take(inviters...)
	twin.take(all...)
	batches := make([][]models.DecodedMessage, 16)
	for i := range batches {
		batches[i] = shuffled(r, append(shuffled(r, all)[:len(all)/4], all[i*len(all)/16:(i+1)*len(all)/16]...))
	}
	together(t, len(batches), func(i int) error {
		_, err := l.Ingest(t.Context(), batches[i], l.derive)
		return err
	})
	for _, state := range settledState() {
		if got, want := l.dump(state), twin.dump(state); got != want {
			t.Errorf("%s: many hands left\n%s\nand one hand\n%s", state, got, want)
		}
	}
}

const lifeInviters = 5

// randomLife is facts about some forty accounts. The inviters' registrations come
// first: a code exists before anybody can enter it. Every other account asks once.
func randomLife(r *rand.Rand, l *life) []models.DecodedMessage {
	var all []models.DecodedMessage
	on := func(from, to int) time.Time {
		return time.Date(2026, 3, from+r.IntN(to-from), r.IntN(24), r.IntN(60), 0, 0, moscow)
	}
	register := func(id int64) {
		all = append(all, l.fact(models.Registered{AccountID: id, RegisteredAt: on(1, 5), Profile: models.Profile{
			Name: fmt.Sprint("told ", len(all)), TaxID: fmt.Sprint(id % 37), At: on(1, 3).Truncate(24 * time.Hour),
		}}))
	}
	for id := range int64(lifeInviters) {
		register(1 + id)
	}
	for id := int64(20); id < 60; id++ {
		register(id)
		if r.IntN(3) == 0 {
			register(id) // again, with another name
		}
		all = append(all, l.fact(models.ActivationRequested{AccountID: id, Code: codeOf(1 + r.Int64N(lifeInviters+1)), RequestedAt: on(-3, 28)}))
		for range r.IntN(3) {
			all = append(all, l.fact(models.PromoEnded{AccountID: id, EndedAt: on(1, 60)}))
		}
		if r.IntN(5) == 0 {
			all = append(all, l.fact(models.Terminated{AccountID: cmp.Or(r.Int64N(4), id), TerminatedAt: on(20, 90)}))
		}
		bill := invoice(id, 202603, 1, 1000)
		all = append(all, l.fact(bill), l.fact(moved(bill, models.Period(202603+r.IntN(3)), 500, 700)))
	}
	return all
}

// Any order of arrival, in batches of any size, with any repeats, ends in the
// same accounts, decisions, referrals, discounts and packages.
func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	l := newLife(t)
	all := randomLife(r, l)
	inviters, rest := all[:lifeInviters], all[lifeInviters:]
	l.take(all...)
	for order := range 5 {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			other := newLife(t)
			other.take(inviters...)
			for _, batch := range cut(r, shuffled(r, append(rest, shuffled(r, rest)[:len(rest)/3]...)), 1+r.IntN(60)) {
				other.take(batch...)
			}
			for _, state := range settledState() {
				if got, want := other.dump(state), l.dump(state); got != want {
					t.Fatalf("%s: another order left\n%s\ninstead of\n%s", state, got, want)
				}
			}
		})
	}
}
