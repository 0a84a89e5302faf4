package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"referral/billing/forecast"
	"referral/billing/suspicion"
	"referral/models"
)

// searched finds suspicions in the database and keeps them, without their money.
func (l *life) searched() []models.Suspicion {
	l.Helper()
	search, graph := models.SuspicionSearch{At: l.now}, suspicion.New()
	err := l.ReferralGraph(l.Context(), func(id int64, p models.Profile) {
		search.Accounts++
		graph.Account(id, p)
	}, func(r models.Referral) {
		search.Referrals++
		graph.Referral(r)
	})
	if err != nil {
		l.Fatal(err)
	}
	found := graph.Findings()
	search.Found = int64(len(found))
	if err := l.ReplaceSuspicions(l.Context(), search, found); err != nil {
		l.Fatal(err)
	}
	return found
}

func (l *life) suspicions(seen bool, limit int) models.Suspicions {
	l.Helper()
	found, searched, err := l.Suspicions(l.Context(), seen, limit)
	if err != nil || !searched {
		l.Fatal(searched, err)
	}
	return found
}

// What is found is shown until somebody has looked at it, and again when it grows.
func TestSuspicions(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	if found, searched, err := l.Suspicions(t.Context(), false, 10); err != nil || searched || len(found.List) != 0 {
		t.Fatalf("before a search: %v, %+v, %v", searched, found, err)
	}
	l.exec(`INSERT INTO accounts (account_id, code, name, tax_id) SELECT a, 'CODE' || a, 'Client ' || a, CASE WHEN a IN (2, 3, 9) THEN '77' ELSE a::text END FROM generate_series(1, 9) a`)
	l.exec(`INSERT INTO referrals SELECT 1, a, '2026-04-01'::timestamptz + a * interval '1 day' FROM generate_series(2, 5) a`)
	l.exec(`INSERT INTO referrals VALUES (7, 8, '2026-04-20'), (8, 7, '2026-04-21'), (1, 40, '2026-04-22')`)
	l.searched()
	got := l.suspicions(false, 10)
	if got.Count != 2 || got.Search != (models.SuspicionSearch{At: l.now, Accounts: 8, Referrals: 7, Found: 2}) || got.Names[7] != "Client 7" || got.Names[1] != "Client 1" {
		t.Fatalf("%+v", got)
	}
	of := func(list []models.Suspicion, sign models.SuspicionSign) models.Suspicion {
		i := slices.IndexFunc(list, func(s models.Suspicion) bool { return slices.Contains(s.Signs, sign) })
		if i < 0 {
			t.Fatalf("no %s among %+v", sign, list)
		}
		return list[i]
	}
	ring, tax := of(got.List, models.SuspiciousRing), of(got.List, models.SuspiciousTaxID)
	want := []models.Referral{
		{InviterID: 7, InviteeID: 8, ActivatedAt: time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)}, {InviterID: 8, InviteeID: 7, ActivatedAt: time.Date(2026, 4, 21, 0, 0, 0, 0, time.UTC)},
	}
	if !reflect.DeepEqual(ring.Referrals, want) || !slices.Equal(tax.Members(), []int64{1, 2, 3}) {
		t.Errorf("the ring is %+v, one tax id have %v", ring.Referrals, tax.Members())
	}
	if list := l.suspicions(false, 1); len(list.List) != 1 || list.Count != 2 {
		t.Errorf("one of two: %+v", list)
	}

	first := l.now
	l.now = l.now.Add(time.Hour)
	mark := func(print models.Digest, who string) (found, marked bool) {
		t.Helper()
		found, marked, err := l.MarkSuspicionSeen(t.Context(), print, who, models.RoleFinance, "relatives")
		if err != nil {
			t.Fatal(err)
		}
		return found, marked
	}
	if found, marked := mark(tax.Fingerprint, "Anna"); !found || !marked {
		t.Error("it is not marked")
	}
	if found, marked := mark(tax.Fingerprint, "Boris"); !found || marked {
		t.Error("it is marked twice")
	}
	if found, _ := mark(models.Digest{1}, "Anna"); found {
		t.Error("what is not there is marked")
	}
	entries, err := l.Journal(t.Context(), 0, 10)
	if err != nil || len(entries) != 1 || entries[0].Who != "Anna" || entries[0].What != models.ActionSuspicionSeen || entries[0].Reason != "relatives" {
		t.Errorf("the journal has %+v, %v", entries, err)
	}
	l.searched()
	seen := l.suspicions(true, 10)
	if len(seen.List) != 1 || seen.List[0].Seen == nil || *seen.List[0].Seen != (models.SuspicionSeen{At: l.now, Who: "Anna", Note: "relatives"}) || !seen.List[0].FoundAt.Equal(first) {
		t.Errorf("seen: %+v", seen.List)
	}
	if open := l.suspicions(false, 10); len(open.List) != 1 || open.List[0].Signs[0] != models.SuspiciousRing {
		t.Errorf("not seen: %+v", open.List)
	}
	l.exec("INSERT INTO referrals VALUES (1, 9, '2026-04-23')")
	l.searched()
	if grown := of(l.suspicions(false, 10).List, models.SuspiciousTaxID); grown.Seen != nil || !slices.Contains(grown.Members(), 9) {
		t.Errorf("what has grown: %+v", grown)
	}
	if seen := l.suspicions(true, 10); len(seen.List) != 0 {
		t.Errorf("what is not found any more: %+v", seen.List)
	}
}

// The accounts that the forecast sees are those with discounts to come, each with its
// invoices of the months that are asked for, as they count now.
func TestForEachEntitled(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.facts(invoice(885, 202603, 1, 100000), invoice(885, 202602, 1, 7), invoice(885, 202605, 1, 7), april(885, 1, 300000), april(885, 2, 200000))
	l.facts(moved(invoice(885, 202601, 1, 9), 202603, 50000))
	l.exec("INSERT INTO discounts VALUES (990, 'inviter', '2025-01-01', '2025-04-01', 20, 1)")
	seen := map[int64][]string{}
	err := l.ForEachEntitled(t.Context(), models.Period(202605).First(), []models.Period{202603, 202604}, func(c *models.AccountHistory) error {
		seen[c.Account.ID] = []string{}
		for _, inv := range c.Invoices {
			seen[c.Account.ID] = append(seen[c.Account.ID], fmt.Sprint(inv.Invoice.Period, inv.Invoice.Revision, inv.Invoice.Lines[0].Amount))
		}
		if len(c.Referrals) == 0 && c.Account.ID == 885 {
			t.Error("885 comes without its referrals")
		}
		return nil
	})
	slices.Sort(seen[885])
	if want := []string{"2026-03 1 1 000.00", "2026-03 2 500.00", "2026-04 2 2 000.00"}; err != nil || !slices.Equal(seen[885], want) {
		t.Errorf("885 has %q, want %q, %v", seen[885], want, err)
	}
	if _, ok := seen[990]; ok {
		t.Error("a discount of the past counts")
	}
}

// A later forecast of the same month replaces the one before; what a month came to is
// kept beside them.
func TestForecasts(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	cost := func(month models.Period, kind models.DiscountKind, step int, amount models.Money) models.Cost {
		return models.Cost{CostKey: models.CostKey{Month: month, Currency: "RUB", Kind: kind, Step: step}, Amount: amount}
	}
	march := models.Forecast{MadeFor: 202603, MadeAt: l.now, Costs: []models.Cost{cost(202604, models.Inviter, 2, -100), cost(202604, models.Inviter, 1, -5)}}
	tenge := cost(202604, models.Inviter, 1, -7)
	tenge.Currency = "KZT"
	march.Costs = append(march.Costs, tenge)
	april := models.Forecast{MadeFor: 202604, MadeAt: l.now, Costs: []models.Cost{cost(202604, models.Inviter, 2, -120)}}
	for _, f := range []models.Forecast{march, {MadeFor: 202604, MadeAt: l.now, Costs: []models.Cost{cost(202612, models.Invitee, 0, -1)}}, april} {
		if err := l.ReplaceForecast(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	actual := forecast.NewActual(202604)
	err := l.Audit(t.Context(), 202604, func(models.AuditHead) error { return nil }, func(c *models.AccountHistory) error {
		actual.Account(c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.ReplaceActualCosts(t.Context(), 202604, actual.Costs()); err != nil {
			t.Fatal(err)
		}
	}
	made, came, err := l.Forecasts(t.Context())
	slices.Reverse(march.Costs)
	if want := []models.Forecast{april, march}; err != nil || !reflect.DeepEqual(made, want) {
		t.Errorf("%+v, want %+v, %v", made, want, err)
	}
	var sum models.Money
	for _, c := range came {
		sum = sum.Add(c.Amount)
	}
	if posted := l.month(202604).Documents.Amount; sum != posted || posted == 0 || !reflect.DeepEqual(came, actual.Costs()) {
		t.Errorf("April came to %s (%+v), its runs posted %s", sum, came, posted)
	}
}

// Everything known of some accounts comes as it does for one.
func TestAccountHistories(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	got := map[int64]models.Money{}
	err := l.AccountHistories(t.Context(), []int64{885, 2}, func(c *models.AccountHistory) error {
		got[c.Account.ID] = suspicion.Posted(c, suspicion.Side{Invited: true, From: 1})["RUB"]
		return nil
	})
	if posted := l.number("SELECT sum(amount_minor)::bigint FROM adjustments WHERE account_id = 885"); err != nil || len(got) != 2 || int64(got[885]) != posted || got[2] != 0 {
		t.Errorf("%v, want %d of 885, %v", got, posted, err)
	}
}
