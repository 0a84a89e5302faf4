package forecast_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/forecast"
	"referral/models"
)

func programme(t *testing.T) *billing.Programme {
	t.Helper()
	p, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder:     []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 100, Months: 12}},
		Discounted: []string{"subscription"}, Excluded: []string{"sms"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func on(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

func invoice(p models.Period, amount models.Money) models.AuditInvoice {
	return models.AuditInvoice{Invoice: models.Invoice{ID: p.String(), Period: p, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: p.First(), To: p.End(), Amount: amount},
		{ID: "2", Service: "sms", From: p.First(), To: p.End(), Amount: 777},
	}}}
}

func in(currency string, inv models.AuditInvoice) models.AuditInvoice {
	inv.Invoice.Currency = currency
	return inv
}

func inWords(costs []models.Cost) (words []string) {
	for _, c := range costs {
		currency := strings.TrimSuffix(" "+c.Currency, " RUB")
		words = append(words, fmt.Sprintf("%s %s %d: %s%s", c.Month, c.Kind, c.Step, c.Amount, currency))
	}
	return words
}

// today is 3 May.
var today = models.NewDate(2026, 5, 3)

func TestForecast(t *testing.T) {
	t.Parallel()
	accepted := []*models.Activation{{AccountID: 885, RequestedAt: on(1, 20), Status: models.ActivationAccepted, InviterID: 1}}
	for name, c := range map[string]struct {
		history models.AccountHistory
		want    []string // with … at the end: and more
	}{
		"a discount that ends within a month": {models.AccountHistory{
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(4, 11)}},
			Invoices:  []models.AuditInvoice{invoice(202604, 310000)},
		}, []string{"2026-05 inviter 1: -620.00", "2026-06 inviter 1: -620.00", "2026-07 inviter 1: -200.00"}},
		"the mean of the last three months with an invoice": {models.AccountHistory{
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}},
			Invoices:  []models.AuditInvoice{invoice(202601, 9000000), invoice(202602, 100000), invoice(202603, 200000), invoice(202604, 300001), invoice(202605, 9000000)},
		}, []string{"2026-05 inviter 1: -51.61"}}, // 2000.00 × 20 % × 4 / 31
		"one invoice is enough": {models.AccountHistory{
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}}, Invoices: []models.AuditInvoice{invoice(202603, 200000)},
		}, []string{"2026-05 inviter 1: -51.61"}},
		"another currency since": {models.AccountHistory{
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}}, Invoices: []models.AuditInvoice{invoice(202603, 900000), in("KZT", invoice(202604, 200000))},
		}, []string{"2026-05 inviter 1: -51.61 KZT"}},
		"two currencies": {models.AccountHistory{
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}},
			Invoices:  []models.AuditInvoice{invoice(202603, 300000), invoice(202604, 100000), in("KZT", invoice(202604, 400000))},
		}, []string{"2026-05 inviter 1: -103.23 KZT", "2026-05 inviter 1: -51.61"}},
		"never invoiced": {models.AccountHistory{Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}}}, nil},
		"two steps and a new client's discount": {models.AccountHistory{
			Account:     models.Account{RegisteredAt: on(1, 10), PromoEndedAt: on(3, 11)},
			Activations: accepted,
			Referrals:   []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(4, 1)}, {InviterID: 885, InviteeID: 902, ActivatedAt: on(5, 2)}},
			Invoices:    []models.AuditInvoice{invoice(202604, 310000)},
		}, []string{
			"2026-05 invitee 0: -620.00", "2026-05 inviter 1: -20.00", "2026-05 inviter 2: -1 200.00", "2026-06 invitee 0: -206.67", "2026-06 inviter 2: -1 240.00",
			"2026-07 inviter 2: -1 240.00", "2026-08 inviter 2: -1 240.00", "2026-09 inviter 2: -1 240.00", "2026-10 inviter 2: -1 240.00", "2026-11 inviter 2: -41.33",
		}},
		"together at most the whole": {models.AccountHistory{
			Account:     models.Account{RegisteredAt: on(1, 10), PromoEndedAt: on(2, 11)},
			Activations: accepted,
			Referrals: []models.Referral{
				{InviterID: 885, InviteeID: 901, ActivatedAt: on(1, 1)}, {InviterID: 885, InviteeID: 902, ActivatedAt: on(1, 2)}, {InviterID: 885, InviteeID: 903, ActivatedAt: on(1, 3)},
			},
			Invoices: []models.AuditInvoice{invoice(202604, 310000)},
		}, []string{"2026-05 invitee 0: -200.00", "2026-05 inviter 3: -2 900.00", "…"}},
		"promised, and the planned day has passed": {models.AccountHistory{
			Account: models.Account{RegisteredAt: on(1, 10), Profile: models.Profile{PromoUntil: "2026-04-20"}}, Activations: accepted,
			Invoices: []models.AuditInvoice{invoice(202604, 310000)},
		}, []string{"2026-05 invitee 0: -580.00", "2026-06 invitee 0: -620.00", "2026-07 invitee 0: -620.00", "2026-08 invitee 0: -40.00"}},
		"promised from a planned day": {models.AccountHistory{
			Account: models.Account{RegisteredAt: on(1, 10), Profile: models.Profile{PromoUntil: "2026-06-16"}}, Activations: accepted,
			Invoices: []models.AuditInvoice{invoice(202604, 300000)},
		}, []string{"2026-06 invitee 0: -300.00", "2026-07 invitee 0: -600.00", "2026-08 invitee 0: -600.00", "2026-09 invitee 0: -300.00"}},
		"terminated": {models.AccountHistory{
			Account:   models.Account{RegisteredAt: on(1, 10), TerminatedAt: on(5, 11)},
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(4, 11)}}, Invoices: []models.AuditInvoice{invoice(202604, 310000)},
		}, []string{"2026-05 inviter 1: -200.00"}},
	} {
		f := forecast.New(programme(t), today)
		c.history.Account.ID = 885
		f.Account(&c.history)
		got := inWords(f.Costs())
		if last := len(c.want) - 1; last >= 0 && c.want[last] == "…" && len(got) > last {
			got = append(got[:last:last], "…")
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, c.want)
		}
	}
}

// An account whose arithmetic fails is named, and the others are forecast.
func TestForecastLeavesOutWhatFails(t *testing.T) {
	t.Parallel()
	f := forecast.New(programme(t), today)
	absurd := invoice(202604, 1<<62)
	absurd.Invoice.Lines = append(absurd.Invoice.Lines, absurd.Invoice.Lines[0])
	referrals := []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: on(2, 5)}}
	f.Account(&models.AccountHistory{Account: models.Account{ID: 884}, Referrals: referrals, Invoices: []models.AuditInvoice{absurd}})
	f.Account(&models.AccountHistory{Account: models.Account{ID: 885}, Referrals: referrals, Invoices: []models.AuditInvoice{invoice(202604, 200000)}})
	if got := inWords(f.Costs()); f.FailedCount != 1 || f.Failed[0].AccountID != 884 || !slices.Equal(got, []string{"2026-05 inviter 1: -51.61"}) {
		t.Errorf("%q, %+v", got, f.Failures)
	}
}

func TestSpendMonths(t *testing.T) {
	t.Parallel()
	var known []models.PeriodInfo
	for _, p := range []models.Period{202605, 202604, 202602, 202601, 202512} {
		known = append(known, models.PeriodInfo{Period: p})
	}
	if got := forecast.SpendMonths(known, today); !slices.Equal(got, []models.Period{202601, 202602, 202604}) {
		t.Errorf("%v", got)
	}
	if got := forecast.SpendMonths(known[:2], today); !slices.Equal(got, []models.Period{202604}) {
		t.Errorf("%v", got)
	}
}

// What came is what the ledger holds, to the kopeck.
func TestActual(t *testing.T) {
	t.Parallel()
	april := models.Period(202604)
	first, middle := april.First(), april.First()+10
	inv := invoice(april, 300000)
	inv.Documents = []models.AuditDocument{
		{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{
			{LineID: "1", Amount: -50000, Segments: []models.Segment{{From: first, To: middle, Invitee: 20}, {From: middle, To: april.End(), Invitee: 20, Inviter: 20}}},
			{LineID: "9", Amount: -7},
		}}},
		{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{{LineID: "1", Amount: -1, Segments: []models.Segment{{From: first, To: middle, Invitee: 20}, {From: middle, To: april.End(), Invitee: 20, Inviter: 20}}}}}},
	}
	tenge := in("KZT", invoice(april, 500))
	tenge.Documents = []models.AuditDocument{{Adjustment: models.Adjustment{Items: []models.AdjustmentItem{{LineID: "1", Amount: -100, Segments: []models.Segment{{From: first, To: middle, Invitee: 20}}}}}}}
	a := forecast.NewActual(april)
	a.Account(&models.AccountHistory{
		Invoices: []models.AuditInvoice{inv, invoice(202605, 1), tenge},
		Stored:   models.Entitlements{Discounts: []models.Discount{{Kind: models.Inviter, From: middle, To: april.End(), Percent: 20, Step: 1}}},
	})
	if got := inWords(a.Costs()); !slices.Equal(got, []string{"2026-04 invitee 0: -1.00 KZT", "2026-04 invitee 0: -300.01", "2026-04 inviter 1: -200.00", "2026-04 unexplained 0: -0.07"}) {
		t.Errorf("%q", got)
	}
}
