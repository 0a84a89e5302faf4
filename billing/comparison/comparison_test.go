package comparison_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/comparison"
	"referral/models"
)

func programme(t *testing.T) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}}, Discounted: []string{"subscription"}, Excluded: []string{"sms"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func on(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

const april = models.Period(202604)

func line(service string, amount models.Money) models.Line {
	return models.Line{ID: service, Service: service, From: april.First(), To: april.End(), Amount: amount}
}

func history(change func(*models.AccountHistory)) *models.AccountHistory {
	h := &models.AccountHistory{
		Account: models.Account{ID: 885},
		Invoices: []models.AuditInvoice{{Invoice: models.Invoice{
			ID: "INV-885", AccountID: 885, Period: april, Currency: "RUB", Revision: 1,
			Lines: []models.Line{line("subscription", 300000), line("sms", 10000), line("fax", 50000)},
		}}},
	}
	change(h)
	return h
}

func invited(friends ...time.Time) func(*models.AccountHistory) {
	return func(h *models.AccountHistory) {
		for i, at := range friends {
			h.Referrals = append(h.Referrals, models.Referral{InviterID: 885, InviteeID: int64(901 + i), ActivatedAt: at})
		}
	}
}

func newClient(h *models.AccountHistory) {
	h.Account.RegisteredAt, h.Account.PromoEndedAt = on(2, 20), on(4, 11)
	h.Activations = []*models.Activation{{AccountID: 885, RequestedAt: on(3, 1), Status: models.ActivationAccepted}}
}

func agreed(h *models.AccountHistory) {
	h.Agreed = []models.Discount{{Kind: models.Agreed, Percent: 10, From: april.First(), To: april.End()}}
}

func all(changes ...func(*models.AccountHistory)) func(*models.AccountHistory) {
	return func(h *models.AccountHistory) {
		for _, change := range changes {
			change(h)
		}
	}
}

type given struct {
	invoices map[string]models.Money
	accounts map[int64]models.Money
	owners   map[string]int64
}

func (g given) OnInvoice(id string) (models.Money, int64, bool) {
	amount, named := g.invoices[id]
	return amount, g.owners[id], named
}

func (g given) OnAccount(id int64) (models.Money, bool) {
	amount, found := g.accounts[id]
	return amount, found
}

// The line of 3 000.00 in April, and what an older system that makes one mistake gives on it.
func TestCauses(t *testing.T) {
	t.Parallel()
	p := programme(t)
	two := invited(on(3, 20), on(4, 11)) // 10 days of 20 %, then 20 days of 40 %
	for _, c := range []struct {
		cause        comparison.Cause
		change       func(*models.AccountHistory)
		ours, theirs models.Money
		words        string
	}{
		{comparison.Rounding, two, -100000, -99999, "a kopeck for each line"},
		{comparison.NotGiven, two, -100000, 0, "given nothing"},
		{comparison.FriendMissing, two, -100000, -60000, "account 902, activated on 2026-04-11"},
		{comparison.FriendDay, two, -100000, -98000, "account 902 activated on 2026-04-12 instead of 2026-04-11"},
		{comparison.FriendDay, two, -100000, -102000, "account 902 activated on 2026-04-10 instead of 2026-04-11"},
		{comparison.InviteeMissing, all(invited(on(3, 20)), newClient), -100000, -60000, "discount of a new client"},
		{comparison.InviteeDay, newClient, -40000, -38000, "a day after 2026-04-11"},
		{comparison.InviteeDay, newClient, -40000, -42000, "a day before 2026-04-11"},
		{comparison.AgreedMissing, all(invited(on(3, 20)), agreed), -90000, -60000, "imported as agreed"},
		{comparison.HighestAlone, all(invited(on(3, 20)), newClient, agreed), -130000, -60000, "not their sum"},
		{comparison.NotByDays, two, -100000, -120000, "the percentage of the last day"},
		{comparison.Terminated, all(two, func(h *models.AccountHistory) { h.Account.TerminatedAt = on(4, 21) }), -60000, -100000, "2026-04-21"},
		{comparison.HeldService, two, -100000, -116667, "do not name"},
		{comparison.ExcludedService, two, -100000, -103333, "exclude"},
		{comparison.OnlyTheirs, invited(), 0, -60000, "nothing is owed"},
		{comparison.Unexplained, two, -100000, -12345, ""},
	} {
		r := comparison.New(p, april, given{invoices: map[string]models.Money{"INV-885": c.theirs}})
		r.Account(history(c.change))
		result := r.Close()
		if len(result.Differences) != 1 {
			t.Errorf("%s: %d differences", c.cause, len(result.Differences))
			continue
		}
		d := result.Differences[0]
		if d.Cause != c.cause || d.Ours != c.ours || d.Theirs != c.theirs || !strings.Contains(d.Words, c.words) {
			t.Errorf("%s: %+v, want ours %d", c.cause, d, c.ours)
		}
	}
}

// What is equal is counted, nothing on either side is not; causes are summed, the one with
// the most money first; an amount for a whole account is held against all its invoices.
func TestTotals(t *testing.T) {
	t.Parallel()
	two := invited(on(3, 20), on(4, 11))
	r := comparison.New(programme(t), april, given{
		invoices: map[string]models.Money{"INV-885": -60000, "INV-2": -100000},
		accounts: map[int64]models.Money{3: -200000, 4: -100000},
	})
	r.Account(history(two))
	renamed := func(account int64, ids ...string) *models.AccountHistory {
		h := history(two)
		h.Account.ID = account
		first := h.Invoices[0]
		h.Invoices = nil
		for _, id := range ids {
			first.Invoice.ID, first.Invoice.AccountID = id, account
			h.Invoices = append(h.Invoices, first)
		}
		return h
	}
	r.Account(renamed(2, "INV-2"))
	r.Account(renamed(3, "INV-3", "INV-4")) // equal together
	r.Account(renamed(4, "INV-5", "INV-6")) // half of it
	r.Account(history(invited()))
	r.NotCompared(0, "INV-9", -500)
	result := r.Close()
	if result.Equal != 2 || result.Different != 4 || result.Theirs != -520500 || result.Ours != -600000 {
		t.Errorf("%+v", result)
	}
	want := []comparison.OfCause{
		{Cause: comparison.Unexplained, Count: 1, Theirs: -100000, Ours: -200000},
		{Cause: comparison.OnlyTheirs, Count: 1, Theirs: -60000},
		{Cause: comparison.FriendMissing, Count: 1, Theirs: -60000, Ours: -100000},
		{Cause: comparison.Unknown, Count: 1, Theirs: -500},
	}
	if !slices.Equal(result.Causes, want) {
		t.Errorf("%+v, want\n%+v", result.Causes, want)
	}
}
