package auth

import "github.com/prometheus/client_golang/prometheus"

// Reasons for rejecting a request, and results of a sign-in.
const (
	reasonUnauthenticated     = "nobody"
	reasonBadToken            = "bad token"
	reasonNotConfigured       = "not configured"
	reasonProviderUnavailable = "provider away"
	reasonCrossSite           = "cross-site"
	reasonStorage             = "storage"

	resultSignedIn      = "in"
	resultUnknownReturn = "stray"
	resultDeclined      = "declined"
	resultNoAccount     = "no account"
	resultTooMany       = "busy"
	resultRefused       = "refused"
)

type metrics struct {
	rejected *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	provider prometheus.Gauge
	dropped  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_auth_turned_away_total", Help: "Requests that were not let in, by reason.",
		}, []string{"reason"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_auth_sign_ins_total", Help: "Sign-ins that came back from the provider, by result.",
		}, []string{"result"}),
		provider: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "referral_auth_provider_up", Help: "1 when the OpenID provider answered the last time it was asked for its configuration.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_auth_seen_dropped_total", Help: "Notes of a client being seen that were given up, because the database was slow or away.",
		}),
	}
	for _, reason := range []string{reasonUnauthenticated, reasonBadToken, reasonNotConfigured, reasonProviderUnavailable, reasonCrossSite, reasonStorage} {
		m.rejected.WithLabelValues(reason)
	}
	for _, result := range []string{resultSignedIn, resultUnknownReturn, resultDeclined, resultNoAccount, resultTooMany, reasonProviderUnavailable, reasonStorage, resultRefused} {
		m.signIns.WithLabelValues(result)
	}
	r.MustRegister(m.rejected, m.signIns, m.provider, m.dropped)
	return m
}
