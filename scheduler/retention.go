package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
)

// Cleaner deletes old rows.
type Cleaner interface {
	DeleteExpired(ctx context.Context, keep map[string]time.Duration, note func(table string, rows int64, err error))
}

// Retention is when old rows are deleted, and how old they become, by table.
type Retention struct {
	Cleaner  Cleaner
	Schedule cron.Schedule
	Keep     map[string]time.Duration

	deleted, failures *prometheus.CounterVec
}

func (r *Retention) register(registerer prometheus.Registerer) {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "referral", Subsystem: "retention", Name: name, Help: help}, []string{"table"})
	}
	r.deleted = vec("deleted_rows_total", "Rows deleted because of their age, by table; invitations.recipient counts addresses erased, accounts.personal_data accounts whose personal data were.")
	r.failures = vec("errors_total", "Failed deletions of old rows, by table. The next hour tries again.")
	for table := range r.Keep {
		r.deleted.WithLabelValues(table)
		r.failures.WithLabelValues(table)
	}
	registerer.MustRegister(r.deleted, r.failures)
}

// deleteExpired has one replica of those that fire together delete old rows. A
// failure does not make the process unready: the next time tries again, and all
// else works meanwhile.
func (s *Scheduler) deleteExpired(ctx context.Context, slot string) {
	err := s.Settler.guard.Do(func() error {
		mine, err := s.Auditor.ClaimSlot(ctx, "retention@"+slot)
		if err == nil && mine {
			s.Retention.Cleaner.DeleteExpired(ctx, s.Retention.Keep, func(table string, rows int64, err error) { s.noteDeleted(ctx, table, rows, err) })
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.Settler.Metrics.failures.Inc()
		s.Settler.Log.ErrorContext(ctx, "old rows were not deleted; the next time does it", "error", err)
	}
}

func (s *Scheduler) noteDeleted(ctx context.Context, table string, rows int64, err error) {
	s.Retention.deleted.WithLabelValues(table).Add(float64(rows))
	if rows > 0 {
		s.Settler.Log.InfoContext(ctx, "old rows were deleted", "table", table, "rows", rows)
	}
	if err != nil && ctx.Err() == nil {
		s.Retention.failures.WithLabelValues(table).Inc()
		s.Settler.Log.ErrorContext(ctx, "not all old rows were deleted; the next time does it", "table", table, "error", err)
	}
}
