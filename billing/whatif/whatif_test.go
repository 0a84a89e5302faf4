package whatif_test

import (
	"math"
	"reflect"
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
		{Period: 202603, Accounts: 3, Affected: 1, Discounts: roubles(-72000, -66000)},
		{Period: 202604, Accounts: 3, Affected: 2, Discounts: roubles(-102000, -81000), Packages: [2]int64{0, 1}},
	}
	if !reflect.DeepEqual(c.Months, want) {
		t.Errorf("%+v, want\n%+v", c.Months, want)
	}
	steps := []whatif.Step{
		{Currency: "RUB", Kind: models.Invitee, Pair: whatif.Pair{Present: -24000, Other: -12000}},
		{Currency: "RUB", Kind: models.Inviter, Step: 1, Pair: whatif.Pair{Present: -90000, Other: -90000}},
		{Currency: "RUB", Kind: models.Inviter, Step: 2, Pair: whatif.Pair{Present: -60000, Other: -45000}},
	}
	if got := c.Steps(); !slices.Equal(got, steps) {
		t.Errorf("%+v, want\n%+v", got, steps)
	}
	bands := map[models.Money]whatif.Band{
		0:      {Currency: "RUB", To: 100000, Invoiced: 2, Affected: 2, Pair: whatif.Pair{Present: -24000, Other: -12000}},
		300000: {Currency: "RUB", From: 300000, To: 1000000, Invoiced: 2, Affected: 1, Pair: whatif.Pair{Present: -150000, Other: -135000}},
	}
	for _, band := range c.Bands() {
		if expected, ok := bands[band.From]; ok && band != expected || !ok && band.Invoiced != 0 {
			t.Errorf("%+v, want %+v", band, expected)
		}
	}
	if total := c.Found().Total(); !slices.Equal(total, roubles(-174000, -147000)) || total[0].Difference() != 27000 {
		t.Errorf("%+v", total)
	}
}

func roubles(present, other models.Money) []whatif.DiscountSum {
	return []whatif.DiscountSum{{Currency: "RUB", Pair: whatif.Pair{Present: present, Other: other}}}
}

// An account that is invoiced in two currencies counts in each, and their amounts are not
// added up.
func TestComparisonOfTwoCurrencies(t *testing.T) {
	t.Parallel()
	tenge := invoice(202604, 2_000_000)
	tenge.Invoice.Currency = "KZT"
	c := whatif.New(programme(t, func(*billing.Terms) {}), programme(t, func(terms *billing.Terms) { terms.Ladder[0].Percent = 10 }))
	c.Begin(202604)
	c.Account(&models.AccountHistory{
		Account: models.Account{ID: 885}, Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(3, 1)}},
		Invoices: []models.AuditInvoice{invoice(202604, 300000), tenge},
	})
	want := slices.Concat([]whatif.DiscountSum{{Currency: "KZT", Pair: whatif.Pair{Present: -400000, Other: -200000}}}, roubles(-60000, -30000))
	if got := c.Found(); !slices.Equal(got.Months[0].Discounts, want) || !slices.Equal(got.Total(), want) || got.Months[0].Affected != 1 || len(got.Steps) != 2 || got.Steps[0].Currency != "KZT" {
		t.Errorf("%+v", got)
	}
	var bands []whatif.Band
	for _, b := range c.Bands() {
		if b.Invoiced > 0 {
			bands = append(bands, b)
		}
	}
	if len(bands) != 2 || bands[0].Currency != "KZT" || bands[0].From != 1_000_000 || bands[1].Pair != want[1].Pair || bands[1].Affected != 1 {
		t.Errorf("%+v", bands)
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
	if c.FailedCount != 1 || len(c.Found().Total()) != 0 || len(c.Bands()) != 0 {
		t.Errorf("%+v", c)
	}
}
