package billing_test

import (
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

func TestDerivePutsFactsThroughTheRules(t *testing.T) {
	programme, err := billing.NewProgramme(time.UTC, []billing.Terms{{
		WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3}, Ladder: []billing.StepTerms{{Percent: 20, Months: 3}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	facts := []*models.Fact{
		{At: day(1, 10), Data: models.Registered{AccountID: 885, RegisteredAt: day(1, 10), Profile: models.Profile{TaxID: "7707083893"}}},
		{At: day(1, 10), Data: models.Registered{AccountID: 901, RegisteredAt: day(1, 10), Profile: models.Profile{TaxID: "7700000000"}}},
		{At: day(1, 20), Data: models.ActivationRequested{AccountID: 901, Code: "CODE1", RequestedAt: day(1, 20)}},
	}
	codes := []string{"CODE1", "CODE2"}
	changes := programme.Derive(func() string {
		code := codes[0]
		codes = codes[1:]
		return code
	})(models.NewWorkingSet(), facts)
	if len(changes.Accounts) != 2 || len(changes.Referrals) != 1 || changes.Referrals[0].InviterID != 885 {
		t.Errorf("changes: %+v", changes)
	}
}
