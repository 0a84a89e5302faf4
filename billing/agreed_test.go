package billing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// An agreed discount holds on its days beside those of the rules, at most 100 % together,
// and ends with the account.
func TestAgreedDiscounts(t *testing.T) {
	t.Parallel()
	p := newProgramme(t, customerTerms())
	noon := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC) }
	day := func(month time.Month, day int) models.Date { return models.NewDate(2026, month, day) }
	c := &models.AccountHistory{
		Account:   models.Account{ID: 885, RegisteredAt: noon(1, 1), TerminatedAt: noon(4, 26)},
		Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: noon(4, 11)}},
		Agreed: []models.Discount{
			{AccountID: 885, Kind: models.Agreed, From: day(4, 6), To: day(4, 16), Percent: 90},
			{AccountID: 885, Kind: models.Agreed, From: day(4, 21), To: day(6, 1), Percent: 15},
		},
	}
	var days []string
	for _, s := range billing.Timeline(p.EntitlementsOf(c).Discounts) {
		agreed, invitee, inviter := billing.ByKind(s)
		days = append(days, fmt.Sprintf("%s %s: %d of %d+%d", s.From, s.To, s.Percent(), s.Agreed, s.Inviter))
		if agreed+invitee+inviter != s.Percent() || agreed != s.Agreed || invitee != 0 {
			t.Errorf("%v is %d + %d + %d", s, agreed, invitee, inviter)
		}
	}
	want := []string{
		"2026-04-06 2026-04-11: 90 of 90+0", "2026-04-11 2026-04-16: 100 of 90+20", "2026-04-16 2026-04-21: 20 of 0+20", "2026-04-21 2026-04-26: 35 of 15+20",
	}
	if !slices.Equal(days, want) {
		t.Errorf("the discounts are\n%q, want\n%q", days, want)
	}

	var changes []string
	for _, d := range slices.Backward(p.Changes(c, day(12, 31))) {
		changes = append(changes, fmt.Sprintf("%s %s %d", d.On, d.Reason, d.Percent))
	}
	want = []string{
		"2026-04-06 agreed_start 90", "2026-04-11 friend 100", "2026-04-16 agreed_end 20", "2026-04-21 agreed_start 35", "2026-04-26 termination 0",
	}
	if !slices.Equal(changes, want) {
		t.Errorf("the changes are\n%q, want\n%q", changes, want)
	}
}
