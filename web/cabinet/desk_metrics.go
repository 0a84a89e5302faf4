package cabinet

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what clients ask of the desk, and never who asks.
type metrics struct {
	activations *prometheus.CounterVec
	invitations *prometheus.CounterVec
	forgotten   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		activations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_cabinet_activations_total", Help: "Codes entered in the personal account, by what became of them.",
		}, []string{"outcome"}),
		invitations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_cabinet_invitations_total", Help: "Invitations asked for in the personal account, by what became of them.",
		}, []string{"outcome"}),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_cabinet_recipients_forgotten_total", Help: "Invitations whose address was forgotten after its time.",
		}),
	}
	r.MustRegister(m.activations, m.invitations, m.forgotten)
	return m
}

func (m *metrics) activated(v Verdict, err error) {
	outcome := string(v.Reason)
	switch {
	case err != nil:
		outcome = "failed"
	case v.Accepted:
		outcome = "accepted"
	case v.Waiting:
		outcome = "waiting"
	case v.Wait > 0:
		outcome = "limited"
	}
	m.activations.WithLabelValues(outcome).Inc()
}

func (m *metrics) invited(v InviteVerdict, err error) {
	outcome := string(v.Refusal)
	switch {
	case err != nil:
		outcome = "failed"
	case outcome == "":
		outcome = "taken"
	}
	m.invitations.WithLabelValues(outcome).Inc()
}
