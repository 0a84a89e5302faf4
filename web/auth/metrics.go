package auth

import "github.com/prometheus/client_golang/prometheus"

// resultSignedIn is the result of a sign-in that is not a failure.
const resultSignedIn = "signed_in"

type metrics struct {
	rejected *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	provider prometheus.Gauge
	dropped  prometheus.Counter
}

// newMetrics registers the metrics of a site. That of the provider is there when one is
// configured: without one, none is unavailable.
func newMetrics(site string, configured bool, r prometheus.Registerer) *metrics {
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
	for _, f := range requestFailures {
		m.rejected.WithLabelValues(f.reason)
	}
	m.signIns.WithLabelValues(resultSignedIn)
	for _, f := range signInFailures {
		m.signIns.WithLabelValues(f.reason)
	}
	r = prometheus.WrapRegistererWith(prometheus.Labels{"site": site}, r)
	r.MustRegister(m.rejected, m.signIns, m.dropped)
	if configured {
		r.MustRegister(m.provider)
	}
	return m
}
