package billing

import (
	"time"

	"referral/models"
)

// EligibilityRequest is a request to activate a code, with what is known of both
// sides when it is judged.
type EligibilityRequest struct {
	Invitee     *models.Account
	Inviter     *models.Account // owner of the code; nil when nobody owns it
	RequestedAt time.Time
	Activated   bool // the invitee already has an accepted code
}

// CheckEligibility returns the first rule that a request fails, and an empty reason when
// it is accepted. [models.NotRegistered] is not a decision: the request is pending. Source: docs/programme.md, "Who may activate a code".
func (p *Programme) CheckEligibility(a EligibilityRequest) models.Reason {
	if !a.Invitee.Registered() {
		return models.NotRegistered
	}
	on := p.Local(ActivatedAt(a.RequestedAt, a.Invitee))
	terms := p.TermsOn(on)
	switch {
	case a.Inviter == nil:
		return models.UnknownCode
	case a.Inviter.ID == a.Invitee.ID:
		return models.OwnCode
	case terms.RefuseOwnCompany && sameCompany(a.Inviter, a.Invitee):
		return models.OwnCompany
	case a.Activated:
		return models.AlreadyActivated
	case on > p.LastActivationDay(a.Invitee, terms):
		return models.WindowClosed
	}
	return ""
}

// LastActivationDay is the last day on which an account may enter a code; that
// day itself still counts.
func (p *Programme) LastActivationDay(a *models.Account, terms *Terms) models.Date {
	return p.Local(a.RegisteredAt).AddMonths(terms.WindowMonths)
}

// ActivatedAt is when an activation counts as made: as requested, but not
// before the registration.
func ActivatedAt(requested time.Time, invitee *models.Account) time.Time {
	if requested.Before(invitee.RegisteredAt) {
		return invitee.RegisteredAt
	}
	return requested
}

func sameCompany(a, b *models.Account) bool {
	return a.Profile.TaxID != "" && a.Profile.TaxID == b.Profile.TaxID
}
