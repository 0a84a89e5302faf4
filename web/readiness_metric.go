package web

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

var readyDesc = prometheus.NewDesc("referral_readiness_up",
	"Whether a check of /readyz passes, made at the scrape: 1 or 0. The check notify does not change the status of /readyz.", []string{"check"}, nil)

// Describe implements prometheus.Collector.
func (r *readiness) Describe(to chan<- *prometheus.Desc) { to <- readyDesc }

// Collect implements prometheus.Collector. The checks are made at the scrape, by the same
// code and within the same time as those of /readyz.
func (r *readiness) Collect(to chan<- prometheus.Metric) {
	for _, c := range r.state(context.Background()).Checks {
		value := 0.0
		if c.Ready {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value, c.Name)
	}
}
