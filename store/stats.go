package store

import (
	"context"
	"fmt"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// Stats counts the state of the programme.
func (s *Store) Stats(ctx context.Context) (f models.Stats, err error) {
	err = s.snapshot(ctx, "reading the statistics", func(tx *tx) error {
		f = models.Stats{Held: map[string]int64{}, Runs: map[models.RunState]int64{}, Breaks: map[models.Period]int64{},
			Lacking: map[models.Period]models.CountedAmount{}, Excess: map[models.Period]models.CountedAmount{}, RunOrders: map[models.RunOrderState]int64{}}
		var batch pgcopy.Batch
		for _, c := range []struct {
			into *int64
			sql  string
		}{
			{&f.PendingActivations, "SELECT count(*) FROM activations WHERE status = 'pending'"},
			{&f.Promised, `SELECT count(*) FROM activations v JOIN accounts a USING (account_id)
				WHERE v.status = 'accepted' AND v.revoked_from IS NULL AND a.promo_ended_at IS NULL AND a.terminated_at IS NULL`},
			{&f.Stale, "SELECT count(*) FROM stale s JOIN periods p USING (period) WHERE p.settled_at IS NOT NULL"},
			{&f.Parked, "SELECT count(*) FROM parked_accounts WHERE " + parkedByLastRun},
			{&f.Rejected, "SELECT count(*) FROM (" + rejectedDocuments + ") r"},
			{&f.DeadLetters, "SELECT count(*) FROM dead_letters WHERE state = 'waiting'"},
			{&f.Accounts, "SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = 'accounts'::regclass"},
		} {
			batch.Each("statistics", func(v [][]byte) { *c.into = pgcopy.Int8(v[0]) }, c.sql)
		}
		// By the days of UTC: a month that is over there is over in Moscow.
		f.PendingPackages = queuePendingPackages(&batch, models.DateOf(tx.now, time.UTC).Period().First())
		batch.Each("held lines", func(v [][]byte) { f.Held[string(v[0])] = pgcopy.Int8(v[1]) }, "SELECT service, count(*) FROM held_lines WHERE decided = 0 GROUP BY service")
		batch.Each("runs", func(v [][]byte) { f.Runs[models.RunState(v[0])] = pgcopy.Int8(v[1]) },
			"SELECT state, count(*) FROM runs WHERE state IN ('rehearsing', 'posting', 'braked', 'incomplete') GROUP BY state")
		batch.Each("the last run", func(v [][]byte) { f.LastSuccess = pgcopy.Time(v[0]) }, "SELECT max(finished_at) FROM runs WHERE state = 'done'")
		// The days here are those of UTC, and a month ends up to twelve hours before them
		// where the programme is.
		batch.Each("the last month settled", func(v [][]byte) { f.LastSettled = pgcopy.Period(v[0]) }, `SELECT max(period) FROM runs
			WHERE state = 'done' AND started_at >= make_timestamptz(period / 100, period % 100, 1, 0, 0, 0) + interval '1 month' - interval '12 hours'
			HAVING max(period) IS NOT NULL`)
		batch.Each("reconciliations", func(v [][]byte) {
			p := pgcopy.Period(v[0])
			f.Breaks[p] = pgcopy.Int8(v[1])
			f.Lacking[p] = models.Counted(pgcopy.Int8(v[2]), pgcopy.Money(v[3]))
			f.Excess[p] = models.Counted(pgcopy.Int8(v[4]), pgcopy.Money(v[5]))
		}, `SELECT DISTINCT ON (period) period, breaks, lacking_accounts, lacking_amount, excess_accounts, excess_amount
			FROM reconciliations ORDER BY period, checked_at DESC`)
		batch.Each("the last check of the journal", func(v [][]byte) { f.JournalChecked, f.JournalFaults = pgcopy.Time(v[0]), pgcopy.Int8(v[1]) },
			"SELECT checked_at, wrong FROM journal_checks ORDER BY check_id DESC LIMIT 1")
		queueRunOrders(&batch, f.RunOrders, &f.OldestOrder)
		return batch.Send(ctx, tx.pgx)
	})
	return f, err
}

// RecordReconciliation keeps what a reconciliation found, for the alarms and for the
// page of the month.
func (s *Store) RecordReconciliation(ctx context.Context, p models.Period, report models.ReconciliationReport) error {
	return s.exec(ctx, fmt.Sprintf("noting the reconciliation of %s", p),
		`INSERT INTO reconciliations (period, checked_at, breaks, report, lacking_accounts, lacking_amount, excess_accounts, excess_amount)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		p, report.CheckedAt, report.Wrong, report, report.Lacking.Count, report.Lacking.Amount, report.Excess.Count, report.Excess.Amount)
}

// LastReconciliation is what the last reconciliation of a period found, with up to limit
// of its breaks behind the first skip. found is false when none has been made, or only by
// a release that kept no more than a number.
func (s *Store) LastReconciliation(ctx context.Context, p models.Period, skip, limit int) (report models.ReconciliationReport, found bool, err error) {
	found, err = s.scan(ctx, fmt.Sprintf("reading the reconciliation of %s", p), []any{&report},
		`SELECT CASE jsonb_typeof(report->'breaks') WHEN 'array' THEN jsonb_set(report, '{breaks}',
			(SELECT coalesce(jsonb_agg(b ORDER BY n), '[]') FROM jsonb_array_elements(report->'breaks') WITH ORDINALITY breaks (b, n) WHERE n > $2 AND n <= $2 + $3))
			ELSE report END
		FROM reconciliations WHERE period = $1 AND report IS NOT NULL ORDER BY checked_at DESC LIMIT 1`, p, skip, limit)
	return report, found, err
}

// MostDiscounted is the account that a period's run gave the most; 0 when it
// gave nobody anything. For showing only.
func (s *Store) MostDiscounted(ctx context.Context, p models.Period) (account int64, err error) {
	_, err = s.scan(ctx, fmt.Sprintf("looking for the largest discount of %s", p), []any{&account},
		"SELECT account_id FROM adjustments WHERE storage_period = $1 GROUP BY account_id ORDER BY sum(amount_minor), account_id LIMIT 1", p)
	return account, err
}

// CodesIssued is how many accounts have an invitation code.
func (s *Store) CodesIssued(ctx context.Context) (n int64, err error) {
	_, err = s.scan(ctx, "counting codes", []any{&n}, "SELECT count(*) FROM codes")
	return n, err
}

// ClaimSlot claims a time of the schedule among all replicas: true for the first one.
func (s *Store) ClaimSlot(ctx context.Context, slot string) (bool, error) {
	rows, err := s.change(ctx, "claiming "+slot, "INSERT INTO slots (slot, claimed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", slot, s.now())
	return rows == 1, err
}
