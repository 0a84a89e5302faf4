package web

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// readyMetric shows the checks of /readyz to those who scrape. They are made at the
// scrape, by the same code and within the same time.
type readyMetric struct{ *readiness }

var readyDesc = prometheus.NewDesc("referral_readiness_up",
	"Whether a check of /readyz passes, made at the scrape: 1 or 0. The check notify does not change the status of /readyz.", []string{"check"}, nil)

// Describe names the metric.
func (m readyMetric) Describe(to chan<- *prometheus.Desc) { to <- readyDesc }

// Collect makes the checks.
func (m readyMetric) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.state(context.Background()).Checks {
		value := 0.0
		if c.Ready {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value, c.Name)
	}
}
