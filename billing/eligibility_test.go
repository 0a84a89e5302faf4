package billing_test

import (
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

// Every combination of what can be wrong with a request: the reason shown is the
// first in the order of the programme.
func TestTheFirstReasonWins(t *testing.T) {
	p := newProgramme(t, customerTerms())
	zone := loadZone(t, "Europe/Moscow")
	for wrong := range 1 << 6 {
		is := func(reason int) bool { return wrong&(1<<reason) != 0 }
		invitee := &models.Account{ID: 901, Profile: models.Profile{TaxID: "5000000000"}}
		inviter := &models.Account{ID: 885, Profile: models.Profile{TaxID: "7707083893"}}
		application := billing.EligibilityRequest{Invitee: invitee, Inviter: inviter, RequestedAt: time.Date(2026, 1, 15, 12, 0, 0, 0, zone)}
		var want models.Reason
		for reason, make := range []struct {
			name models.Reason
			so   func()
		}{
			{models.NotRegistered, nil},
			{models.UnknownCode, func() { application.Inviter = nil }},
			{models.OwnCode, func() { inviter.ID = invitee.ID }},
			{models.OwnCompany, func() { invitee.Profile.TaxID = inviter.Profile.TaxID }},
			{models.AlreadyActivated, func() { application.Activated = true }},
			{models.WindowClosed, func() { application.RequestedAt = time.Date(2026, 6, 15, 12, 0, 0, 0, zone) }},
		} {
			if is(reason) && want == "" {
				want = make.name
			}
			if is(reason) && make.so != nil {
				make.so()
			}
		}
		if !is(0) {
			invitee.RegisteredAt = time.Date(2026, 1, 10, 12, 0, 0, 0, zone)
		}
		if got := p.CheckEligibility(application); got != want {
			t.Errorf("faults %06b: %q, want %q", wrong, got, want)
		}
	}
}

func TestTheLastDayOfTheWindow(t *testing.T) {
	for _, c := range []struct {
		registered string
		months     int
		want       string
	}{
		{"2026-01-10", 1, "2026-02-10"},
		{"2026-01-28", 1, "2026-02-28"},
		{"2026-01-29", 1, "2026-02-28"},
		{"2026-01-31", 1, "2026-02-28"},
		{"2024-01-31", 1, "2024-02-29"},
		{"2024-02-29", 1, "2024-03-29"},
		{"2026-02-28", 1, "2026-03-28"},
		{"2026-12-31", 1, "2027-01-31"},
		{"2026-01-10", 0, "2026-01-10"},
		{"2026-08-31", 6, "2027-02-28"},
	} {
		terms := customerTerms()
		terms.WindowMonths = c.months
		p := newProgramme(t, terms)
		account := &models.Account{ID: 901, RegisteredAt: date(t, c.registered).Time().Add(9 * time.Hour)}
		last := p.LastActivationDay(account, p.TermsOn(date(t, c.registered)))
		if last.String() != c.want {
			t.Errorf("registered on %s, %d months: until %s, want %s", c.registered, c.months, last, c.want)
		}
		for day, want := range map[models.Date]models.Reason{last: "", last + 1: models.WindowClosed} {
			got := p.CheckEligibility(billing.EligibilityRequest{Invitee: account, Inviter: &models.Account{ID: 885}, RequestedAt: day.Time().Add(9 * time.Hour)})
			if got != want {
				t.Errorf("registered on %s, code entered on %s: %q, want %q", c.registered, day, got, want)
			}
		}
	}
}

func TestAnActivationIsNeverBeforeItsRegistration(t *testing.T) {
	registered := time.Date(2026, 1, 10, 9, 0, 0, 0, time.UTC)
	account := &models.Account{ID: 901, RegisteredAt: registered}
	for _, requested := range []time.Time{registered.Add(-24 * time.Hour), registered.Add(-1), registered, registered.Add(1)} {
		want := requested
		if requested.Before(registered) {
			want = registered
		}
		if got := billing.ActivatedAt(requested, account); !got.Equal(want) {
			t.Errorf("requested at %s: activated at %s, want %s", requested, got, want)
		}
	}
}
