package store_test

import (
	"slices"
	"testing"

	"referral/models"
)

// owned is an invoice of April with an id that does not follow from its account.
func owned(id string, account int64, revision int, amounts ...models.Money) *models.Invoice {
	inv := april(account, revision, amounts...)
	inv.ID = id
	return inv
}

func of(period models.Period, inv *models.Invoice) *models.Invoice {
	inv.Period = period
	return inv
}

// meet has two facts taken in two transactions of which neither can see the
// other: each has written all but its last row before either of them commits, unless
// the storage itself keeps them apart.
func (l *life) meet(one, other models.DecodedMessage) []models.Disposition {
	l.Helper()
	batches := make([][]models.DecodedMessage, 2)
	var releases [2]func()
	batches[0], releases[0] = l.held(one)
	batches[1], releases[1] = l.held(other)
	fates := make([][]models.Disposition, 2)
	done := make(chan error, len(fates))
	for i, batch := range batches {
		go func() (err error) {
			defer func() { done <- err }()
			fates[i], err = l.Ingest(l.Context(), batch, l.derive)
			return err
		}() //nolint:errcheck // it is in the channel
	}
	l.waiting(len(fates))
	releases[0]()
	releases[1]()
	for range fates {
		if err := <-done; err != nil {
			l.Fatal(err)
		}
	}
	return []models.Disposition{fates[0][0], fates[1][0]}
}

// One invoice id for two accounts, in transactions that do not see one another:
// one of them has it, the other message is set aside. Otherwise both would be
// given adjustments under the same ids.
func TestOneInvoiceTwoOwnersAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		one, other *models.Invoice
	}{
		{"first revisions", owned("INV", 885, 1, 1000), owned("INV", 700, 1, 1000)},
		{"a first and a second", owned("INV", 885, 1, 1000), owned("INV", 700, 2, 1000)},
		{"a third and a second", owned("INV", 885, 3, 1000), owned("INV", 700, 2, 1000)},
		{"two bodies of one revision", owned("INV", 885, 1, 1000), owned("INV", 885, 1, 2000)},
		{"of two months", owned("INV", 885, 1, 1000), of(202605, owned("INV", 700, 1, 1000))},
		{"of one account in two months", owned("INV", 885, 1, 1000), of(202605, owned("INV", 885, 1, 1000))},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			l.inviter(885, 900)
			l.inviter(700, 910)
			fates := l.meet(l.fact(c.one), l.fact(c.other))
			slices.Sort(fates)
			if !slices.Equal(fates, []models.Disposition{models.Applied, models.DeadLettered}) {
				t.Errorf("they were %v", fates)
			}
			if n := l.number("SELECT count(*) FROM invoices"); n != 1 {
				t.Errorf("%d invoices are kept", n)
			}
			if n := l.number("SELECT count(*) FROM dead_letters WHERE reason = 'conflict'"); n != 1 {
				t.Errorf("%d messages are set aside", n)
			}
			l.calm()
			if n := l.number("SELECT count(*) - count(DISTINCT adjustment_id) FROM adjustments"); n != 0 {
				t.Errorf("%d documents share an id with another one", n)
			}
		})
	}
}

// What two transactions say of one fact, when neither sees the other: the same is a
// repeat, and what contradicts is set aside.
func TestOneFactTwiceAtOnce(t *testing.T) {
	t.Parallel()
	on := at("2026-05-02T04:00:00Z")
	answer := models.Result{AdjustmentID: models.UUID{1}, AccountID: 885, Status: models.ResultApplied, Amount: -5, At: on}
	unkeyed, other := answer, answer
	unkeyed.AccountID, other.Amount = 0, -6
	for _, c := range []struct {
		name       string
		one, other models.FactData
		want       models.Disposition // of the second
	}{
		{"an invoice", owned("INV", 885, 1, 1000), owned("INV", 885, 1, 1000), models.Repeated},
		{"an answer", answer, answer, models.Repeated},
		{"an answer that names no account", answer, unkeyed, models.Repeated},
		{"two amounts of an answer", answer, other, models.DeadLettered},
		{"an activation", activated(900, 885, "2026-04-02T09:00:00Z"), activated(900, 885, "2026-04-02T09:00:00Z"), models.Repeated},
		{"a registration", registered(900, "2026-04-02T09:00:00Z"), registered(900, "2026-04-02T09:00:00Z"), models.Repeated},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t)
			fates := l.meet(l.fact(c.one), l.fact(c.other))
			slices.Sort(fates)
			want := []models.Disposition{models.Applied, c.want}
			if slices.Sort(want); !slices.Equal(fates, want) {
				t.Errorf("they were %v, want %v", fates, want)
			}
		})
	}
}

// Two consumers that take the same new invoices at once, in opposite orders, wait for
// one another and may deadlock: each invoice is taken once all the same.
func TestSameInvoicesAtOnceInOppositeOrders(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	var facts []models.FactData
	for account := int64(1); account <= 2000; account++ {
		facts = append(facts, april(account, 1, 1000))
	}
	batches := [][]models.DecodedMessage{l.deliveries(facts...), nil}
	slices.Reverse(facts)
	batches[1] = l.deliveries(facts...)
	processes, applied := []*life{l, l.another()}, make([]int, len(batches))
	together(t, len(batches), func(i int) error {
		fates, err := processes[i].Ingest(t.Context(), batches[i], l.derive)
		for _, fate := range fates {
			if fate == models.Applied {
				applied[i]++
			}
		}
		return err
	})
	if applied[0]+applied[1] != len(facts) || l.number("SELECT count(*) FROM invoices") != int64(len(facts)) {
		t.Errorf("%v of %d invoices were taken", applied, len(facts))
	}
}
