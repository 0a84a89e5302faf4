package auth

import "github.com/prometheus/client_golang/prometheus"

// Reasons for rejecting a request, and results of a sign-in.
const (
	reasonUnauthenticated     = "unauthenticated"
	reasonBadToken            = "bad_token"
	reasonNotConfigured       = "not_configured"
	reasonProviderUnavailable = "provider_unavailable"
	reasonCrossSite           = "cross_site"
	reasonStorage             = "storage"

	resultSignedIn      = "signed_in"
	resultUnknownReturn = "unknown_return"
	resultDeclined      = "declined"
	resultNoAccount     = "no_account"
	resultTooMany       = "too_many"
	resultRefused       = "refused"
)

type metrics struct {
	rejected *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	provider prometheus.Gauge
	dropped  prometheus.Counter
}

func newMetrics(site string, r prometheus.Registerer) *metrics {
	m := &metrics{
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_auth_rejected_requests_total", Help: "Requests that authentication or authorisation rejected, by reason.",
		}, []string{"reason"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_auth_sign_ins_total", Help: "Sign-ins that returned from the OpenID provider, by result.",
		}, []string{"result"}),
		provider: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "referral_auth_provider_up", Help: "Whether the OpenID provider answered the last request for its configuration: 1 or 0.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_auth_dropped_session_updates_total", Help: "Updates of when a session was last used that were dropped because the database was slow or unavailable.",
		}),
	}
	for _, reason := range []string{reasonUnauthenticated, reasonBadToken, reasonNotConfigured, reasonProviderUnavailable, reasonCrossSite, reasonStorage} {
		m.rejected.WithLabelValues(reason)
	}
	for _, result := range []string{resultSignedIn, resultUnknownReturn, resultDeclined, resultNoAccount, resultTooMany, reasonProviderUnavailable, reasonStorage, resultRefused} {
		m.signIns.WithLabelValues(result)
	}
	prometheus.WrapRegistererWith(prometheus.Labels{"site": site}, r).MustRegister(m.rejected, m.signIns, m.provider, m.dropped)
	return m
}
