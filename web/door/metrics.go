package door

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	turned   *prometheus.CounterVec
	signIns  *prometheus.CounterVec
	provider prometheus.Gauge
	swept    prometheus.Counter
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
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_door_sessions_swept_total", Help: "Ended sessions that were deleted.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "referral_door_seen_dropped_total", Help: "Notes of a client being seen that were given up, because the database was slow or away.",
		}),
	}
	r.MustRegister(m.requests, m.seconds, m.turned, m.signIns, m.provider, m.swept, m.dropped)
	return m
}
