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
// other: each has written all but the inbox before either of them commits, unless
// the storage itself keeps them apart.
func (l *life) meet(one, other models.Delivery) []models.Disposition {
	l.Helper()
	held := l.hold("INSERT INTO inbox VALUES ($1, $2, $1, now()), ($3, $4, $3, now())",
		one.Fact.Key.String(), one.Fact.Data.Account(), other.Fact.Key.String(), other.Fact.Data.Account())
	fates := make([][]models.Disposition, 2)
	done := make(chan error, len(fates))
	for i, d := range []models.Delivery{one, other} {
		go func() (err error) {
			defer func() { done <- err }()
			fates[i], err = l.Take(l.Context(), []models.Delivery{d}, l.derive)
			return err
		}() //nolint:errcheck // it is in the channel
	}
	for l.number(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) < int64(len(fates)) {
		if err := l.Context().Err(); err != nil {
			l.Fatal(err)
		}
	}
	held()
	for range fates {
		if err := <-done; err != nil {
			l.Fatal(err)
		}
	}
	return append(fates[0], fates[1]...)
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
			if !slices.Equal(fates, []models.Disposition{models.Applied, models.Aside}) {
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
