package whatif_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
)

func programme(t *testing.T, change func(*billing.Terms)) *billing.Programme {
	t.Helper()
	terms := billing.Terms{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}}, Discounted: []string{"subscription"}, Excluded: []string{"sms"},
	}
	change(&terms)
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func on(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

func invoice(p models.Period, amounts ...models.Money) models.AuditInvoice {
	inv := models.AuditInvoice{Invoice: models.Invoice{ID: p.String(), Period: p, Currency: "RUB", Revision: 1}}
	for _, amount := range amounts {
		inv.Invoice.Lines = append(inv.Invoice.Lines, models.Line{ID: "1", Service: "subscription", From: p.First(), To: p.End(), Amount: amount})
	}
	return inv
}

// Two accounts over two months: one climbs to the second step, one is a new client.
func TestComparison(t *testing.T) {
	t.Parallel()
	inviter := func(p models.Period) *models.AccountHistory {
		return &models.AccountHistory{
			Account:   models.Account{ID: 885},
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(3, 1)}, {InviterID: 885, InviteeID: 902, ActivatedAt: on(4, 16)}},
			Invoices:  []models.AuditInvoice{invoice(p, 300000)},
		}
	}
	client := func(p models.Period) *models.AccountHistory {
		return &models.AccountHistory{
			Account:     models.Account{ID: 901, RegisteredAt: on(2, 20), PromoEndedAt: on(3, 1)},
			Activations: []*models.Activation{{AccountID: 901, RequestedAt: on(3, 1), Status: models.ActivationAccepted}},
			Invoices:    []models.AuditInvoice{invoice(p, 60000)},
		}
	}
	other := programme(t, func(terms *billing.Terms) {
		terms.Invitee.Percent = 10
		terms.Ladder = []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 30, Months: 6, SMS: 500}}
	})
	c := whatif.New(programme(t, func(*billing.Terms) {}), other)
	for _, p := range []models.Period{202603, 202604} {
		c.Begin(p)
		c.Account(inviter(p))
		c.Account(client(p))
		c.Account(&models.AccountHistory{Account: models.Account{ID: 7}})
	}
	want := []whatif.Month{
		{Period: 202603, Accounts: 3, Affected: 1, Discounts: whatif.Pair{Present: -72000, Other: -66000}},
		{Period: 202604, Accounts: 3, Affected: 2, Discounts: whatif.Pair{Present: -102000, Other: -81000}, Packages: [2]int64{0, 1}},
	}
	if !slices.Equal(c.Months, want) {
		t.Errorf("%+v, want\n%+v", c.Months, want)
	}
	steps := []whatif.Step{
		{Kind: models.Invitee, Pair: whatif.Pair{Present: -24000, Other: -12000}},
		{Kind: models.Inviter, Step: 1, Pair: whatif.Pair{Present: -90000, Other: -90000}},
		{Kind: models.Inviter, Step: 2, Pair: whatif.Pair{Present: -60000, Other: -45000}},
	}
	if got := c.Steps(); !slices.Equal(got, steps) {
		t.Errorf("%+v, want\n%+v", got, steps)
	}
	bands := map[models.Money]whatif.Band{
		0:      {To: 100000, Invoiced: 2, Affected: 2, Pair: whatif.Pair{Present: -24000, Other: -12000}},
		300000: {From: 300000, To: 1000000, Invoiced: 2, Affected: 1, Pair: whatif.Pair{Present: -150000, Other: -135000}},
	}
	for _, band := range c.Bands {
		if expected, ok := bands[band.From]; ok && band != expected || !ok && band.Invoiced != 0 {
			t.Errorf("%+v, want %+v", band, expected)
		}
	}
	if total := c.Found().Total(); total != (whatif.Pair{Present: -174000, Other: -147000}) || total.Difference() != 27000 {
		t.Errorf("%+v", total)
	}
}

// An account that cannot be calculated counts on neither side.
func TestComparisonLeavesOutWhatFails(t *testing.T) {
	t.Parallel()
	p := programme(t, func(*billing.Terms) {})
	c := whatif.New(p, p)
	c.Begin(202604)
	c.Account(&models.AccountHistory{
		Account: models.Account{ID: 1}, Referrals: []models.Referral{{InviterID: 1, InviteeID: 2, ActivatedAt: on(3, 1)}},
		Invoices: []models.AuditInvoice{invoice(202604, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2, math.MaxInt64/2)},
	})
	if c.FailedCount != 1 || c.Found().Total() != (whatif.Pair{}) || c.Bands[len(c.Bands)-1].Invoiced != 0 {
		t.Errorf("%+v", c)
	}
}
