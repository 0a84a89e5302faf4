package middleware

import "github.com/prometheus/client_golang/prometheus"

const (
	// classClosed is the class of failed requests whose client has disconnected.
	classClosed = "client_closed"
	// noRoute stands for requests to no route.
	noRoute = "none"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(site string, r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "referral_web_requests_total", Help: "Requests to a site, by route and class of status; client_closed when the client closed the connection first.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "referral_web_request_duration_seconds", Help: "Duration of requests to a site that did not fail, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	m.initialise(noRoute)
	prometheus.WrapRegistererWith(prometheus.Labels{"site": site}, r).MustRegister(m.requests, m.seconds)
	return m
}

// initialise creates the metrics of a route at 0.
func (m *metrics) initialise(route string) {
	m.seconds.WithLabelValues(route)
	for _, class := range []string{"2xx", "3xx", "4xx", "5xx", classClosed} {
		m.requests.WithLabelValues(route, class)
	}
}
