package portal

import (
	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

// Outcomes other than the reasons for refusing.
const (
	outcomeAccepted = "accepted"
	outcomeWaiting  = "waiting"
	outcomeLimited  = "limited"
	outcomeFailed   = "failed"
	outcomeTaken    = "taken"
)

// metrics counts what clients do, and never which client.
type metrics struct {
	activations *prometheus.CounterVec
	invitations *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		activations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_portal_activations_total", Help: "Codes entered in the personal account, by what became of them.",
		}, []string{"outcome"}),
		invitations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_portal_invitations_total", Help: "Invitations asked for in the personal account, by what became of them.",
		}, []string{"outcome"}),
	}
	m.initialise()
	r.MustRegister(m.activations, m.invitations)
	return m
}

// initialise creates every counter at 0: one that appears only with its first event
// raises no alert for that event.
func (m *metrics) initialise() {
	for _, outcome := range []string{outcomeAccepted, outcomeWaiting, outcomeLimited, outcomeFailed} {
		m.activations.WithLabelValues(outcome)
	}
	for _, reason := range []models.Reason{models.UnknownCode, models.OwnCode, models.OwnCompany, models.AlreadyActivated, models.WindowClosed} {
		m.activations.WithLabelValues(string(reason))
	}
	for _, outcome := range []string{outcomeTaken, outcomeFailed} {
		m.invitations.WithLabelValues(outcome)
	}
	for _, refusal := range []InviteRefusal{
		InviteBadRecipient, InvitePremiumNumber, InviteLookalike, InviteForeignLetters, InviteTooMany, InviteAlreadyInvited, InviteOptedOut, InviteNotPossible,
	} {
		m.invitations.WithLabelValues(string(refusal))
	}
}

func (m *metrics) activated(v ActivationResult, err error) {
	outcome := string(v.Reason)
	switch {
	case err != nil:
		outcome = outcomeFailed
	case v.Accepted:
		outcome = outcomeAccepted
	case v.Waiting:
		outcome = outcomeWaiting
	case v.Wait > 0:
		outcome = outcomeLimited
	}
	m.activations.WithLabelValues(outcome).Inc()
}

func (m *metrics) invited(v InviteResult, err error) {
	outcome := string(v.Refusal)
	switch {
	case err != nil:
		outcome = outcomeFailed
	case outcome == "":
		outcome = outcomeTaken
	}
	m.invitations.WithLabelValues(outcome).Inc()
}
