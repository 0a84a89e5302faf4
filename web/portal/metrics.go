package portal

import (
	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

// Outcomes other than the reasons of a refusal.
const (
	outcomeAccepted = "accepted"
	outcomeWaiting  = "waiting"
	outcomeLimited  = "throttled"
	outcomeFailed   = "failed"
)

// metrics counts what clients do. No label identifies a client.
type metrics struct {
	activations *prometheus.CounterVec
	invitations *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		activations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_portal_activations_total", Help: "Invitation codes entered in the personal account, by outcome: accepted, waiting, throttled, failed, or the reason of a refusal.",
		}, []string{"outcome"}),
		invitations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_portal_invitations_total", Help: "Invitations requested in the personal account, by outcome: accepted, failed, or the reason of a refusal.",
		}, []string{"outcome"}),
	}
	// A counter that appears only with its first event raises no alert for that event.
	for _, outcome := range []string{outcomeAccepted, outcomeWaiting, outcomeLimited, outcomeFailed} {
		m.activations.WithLabelValues(outcome)
	}
	for _, reason := range []models.Reason{models.UnknownCode, models.OwnCode, models.OwnCompany, models.AlreadyActivated, models.WindowClosed} {
		m.activations.WithLabelValues(string(reason))
	}
	for _, outcome := range []string{outcomeAccepted, outcomeFailed} {
		m.invitations.WithLabelValues(outcome)
	}
	for _, refusal := range []InviteRefusal{
		InviteBadRecipient, InvitePremiumNumber, InviteLookalike, InviteForeignLetters, InviteTooMany, InviteAlreadyInvited, InviteOptedOut, InviteNotPossible,
	} {
		m.invitations.WithLabelValues(string(refusal))
	}
	r.MustRegister(m.activations, m.invitations)
	return m
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
		outcome = outcomeAccepted
	}
	m.invitations.WithLabelValues(outcome).Inc()
}
