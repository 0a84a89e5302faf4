package store

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// PoolStats is a metric of each figure of the connection pool.
func (s *Store) PoolStats() prometheus.Collector {
	return collectors.NewDBStatsCollector(s.sql, "referral")
}
