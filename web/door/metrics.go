package door

import "github.com/prometheus/client_golang/prometheus"

// Why nobody is let in, and what became of a sign-in.
const (
	reasonNobody    = "nobody"
	reasonBadToken  = "bad token"
	reasonClosed    = "not configured"
	reasonAway      = "provider away"
	reasonCrossSite = "cross-site"
	reasonStorage   = "storage"

	resultIn        = "in"
	resultStray     = "stray"
	resultDeclined  = "declined"
	resultNoAccount = "no account"
	resultBusy      = "busy"
	resultRefused   = "refused"
)

// gone is the class of requests whose client has hung up.
const gone = "gone"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	turned   *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	provider prometheus.Gauge
	dropped  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_web_requests_total", Help: "Requests to the personal account, by route and class of status; gone is one that failed because its client had hung up.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "referral_web_request_seconds", Help: "How long requests to the personal account took, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		turned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_door_turned_away_total", Help: "Requests that were not let in, by reason.",
		}, []string{"reason"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_door_sign_ins_total", Help: "Sign-ins that came back from the provider, by result.",
		}, []string{"result"}),
		provider: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "referral_door_provider_up", Help: "1 when the OpenID provider answered the last time it was asked for its configuration.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_door_seen_dropped_total", Help: "Notes of a client being seen that were given up, because the database was slow or away.",
		}),
	}
	for _, reason := range []string{reasonNobody, reasonBadToken, reasonClosed, reasonAway, reasonCrossSite, reasonStorage} {
		m.turned.WithLabelValues(reason)
	}
	for _, result := range []string{resultIn, resultStray, resultDeclined, resultNoAccount, resultBusy, reasonAway, reasonStorage, resultRefused} {
		m.signIns.WithLabelValues(result)
	}
	m.expect(unrouted)
	r.MustRegister(m.requests, m.seconds, m.turned, m.signIns, m.provider, m.dropped)
	return m
}

// expect has the requests of a route be counted from 0.
func (m *metrics) expect(route string) {
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx", gone} {
		m.requests.WithLabelValues(route, class)
	}
}
