package consumer

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
	decoder := newTestDecoder(t)
	facts := []*models.Fact{
		decoder.Decode(structuredMessage(topics.Registered, "pbx.registered.v1", registeredData)).Fact,
		decoder.Decode(structuredMessage(topics.Registered, "pbx.registered.v1", edit(edit(registeredData, "885", "901"), "7707083893", "7700000000"))).Fact,
		decoder.Decode(structuredMessage(topics.Activation, "referral.activation-requested.v1", edit(activationData, "ABC234DEF", "CODE1"))).Fact,
	}
	facts[2].Data = models.ActivationRequested{AccountID: 901, Code: "CODE1", RequestedAt: instantOf(t, "2026-01-20T00:00:00Z")}
	codes := []string{"CODE1", "CODE2"}
	changes := Derive(programme, func() string {
		code := codes[0]
		codes = codes[1:]
		return code
	})(models.NewWorkingSet(), facts)
	if len(changes.Accounts) != 2 || len(changes.Referrals) != 1 || changes.Referrals[0].InviterID != 885 {
		t.Errorf("changes: %+v", changes)
	}
}
