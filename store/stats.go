package store

import (
	"context"
	"fmt"
	"time"

	"referral/models"
)

// Stats counts the state of the programme.
func (s *Store) Stats(ctx context.Context) (f models.Stats, err error) {
	f = models.Stats{Held: map[string]int64{}, Runs: map[models.RunState]int64{}, Breaks: map[models.Period]int64{}}
	err = s.snapshot(ctx, true, func(tx *tx) error {
		counts := []struct {
			into *int64
			sql  string
		}{
			{&f.PendingActivations, "SELECT count(*) FROM activations WHERE status = 'pending'"},
			{&f.Promised, `SELECT count(*) FROM activations v JOIN accounts a USING (account_id)
				WHERE v.status = 'accepted' AND a.promo_ended_at IS NULL AND a.terminated_at IS NULL`},
			{&f.Stale, "SELECT count(*) FROM stale s JOIN periods p USING (period) WHERE p.settled_at IS NOT NULL"},
			{&f.DeadLetters, "SELECT count(*) FROM dead_letters WHERE state = 'waiting'"},
			{&f.Accounts, "SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = 'accounts'::regclass"},
		}
		for _, c := range counts {
			if err := tx.Raw(c.sql).Scan(c.into).Error; err != nil {
				return fmt.Errorf("counting: %w", err)
			}
		}
		return tx.groupedFigures(ctx, &f)
	})
	if err != nil {
		return f, fmt.Errorf("reading the figures: %w", err)
	}
	return f, nil
}

func (t *tx) groupedFigures(ctx context.Context, f *models.Stats) error {
	// By the days of UTC: a month that is over there is over in Moscow.
	waiting, err := t.pendingPackages(ctx, models.DateOf(t.now, time.UTC).Period().First())
	if err != nil {
		return err
	}
	f.PendingPackages = waiting
	err = each(ctx, t.pgx, "held lines", func(v [][]byte) { f.Held[string(v[0])] = getInt8(v[1]) },
		"SELECT service, count(*) FROM held_lines GROUP BY service")
	if err != nil {
		return err
	}
	err = each(ctx, t.pgx, "runs", func(v [][]byte) { f.Runs[models.RunState(v[0])] = getInt8(v[1]) },
		"SELECT state, count(*) FROM runs WHERE state IN ('rehearsing', 'posting', 'braked', 'incomplete') GROUP BY state")
	if err != nil {
		return err
	}
	err = each(ctx, t.pgx, "the last run", func(v [][]byte) { f.LastSuccess = getTime(v[0]) },
		"SELECT max(finished_at) FROM runs WHERE state = 'done'")
	if err != nil {
		return err
	}
	return each(ctx, t.pgx, "reconciliations", func(v [][]byte) { f.Breaks[models.Period(getInt4(v[0]))] = getInt8(v[1]) },
		"SELECT DISTINCT ON (period) period, breaks FROM reconciliations ORDER BY period, checked_at DESC")
}

// RecordReconciliation keeps what a reconciliation found, for the alarms and for
// later questions.
func (s *Store) RecordReconciliation(ctx context.Context, p models.Period, breaks int64, at time.Time) error {
	err := s.gorm.WithContext(ctx).Exec("INSERT INTO reconciliations (period, checked_at, breaks) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", p, at, breaks).Error
	if err != nil {
		return fmt.Errorf("noting the reconciliation of %s: %w", p, err)
	}
	return nil
}

// MostDiscounted is the account that a period's run gave the most; 0 when it
// gave nobody anything. For showing only.
func (s *Store) MostDiscounted(ctx context.Context, p models.Period) (account int64, err error) {
	err = s.gorm.WithContext(ctx).Raw(`SELECT account_id FROM adjustments WHERE storage_period = ? GROUP BY account_id
		ORDER BY sum(amount_minor), account_id LIMIT 1`, p).Scan(&account).Error
	if err != nil {
		return 0, fmt.Errorf("looking for the largest discount of %s: %w", p, err)
	}
	return account, nil
}

// CodesIssued is how many accounts have an invitation code.
func (s *Store) CodesIssued(ctx context.Context) (n int64, err error) {
	if err := s.gorm.WithContext(ctx).Model(&codeRecord{}).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("counting codes: %w", err)
	}
	return n, nil
}

// ClaimSlot takes on a time of the schedule for all replicas: true for the first
// one that asks.
func (s *Store) ClaimSlot(ctx context.Context, slot string) (bool, error) {
	result := s.gorm.WithContext(ctx).Exec("INSERT INTO slots (slot, claimed_at) VALUES (?, ?) ON CONFLICT DO NOTHING", slot, s.now())
	if result.Error != nil {
		return false, fmt.Errorf("claiming %s: %w", slot, result.Error)
	}
	return result.RowsAffected == 1, nil
}
