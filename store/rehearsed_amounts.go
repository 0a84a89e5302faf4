package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// KeepRehearsed keeps what a rehearsal would post for some accounts.
func (s *Store) KeepRehearsed(ctx context.Context, o models.RunOrder, amounts []models.RehearsedAmount) error {
	var rows pgcopy.Rows
	for i := range amounts {
		a := &amounts[i]
		basis, err := json.Marshal(&a.Basis)
		if err != nil {
			return fmt.Errorf("keeping what was rehearsed of account %d: %w", a.AccountID, err)
		}
		full := 0
		if a.Full {
			full = 1
		}
		reasons := make([]string, len(a.Reasons))
		for i, reason := range a.Reasons {
			reasons[i] = string(reason)
		}
		rows.Row(11).Int8(o.ID).Int4(o.Attempt).Int8(a.AccountID).Int4(int(a.Documents)).Int8(int64(a.Amount)).Int4(int(a.Packages)).
			Int4(int(a.Parked)).Int2(full).Text(validText(string(basis))).
			Int4(int(a.Period)).Text(strings.Join(reasons, " "))
	}
	return s.write(ctx, fmt.Sprintf("keeping what order %d has rehearsed", o.ID), func(tx *tx) error {
		var again pgcopy.Rows
		again.CopyFrom(&rows)
		return again.Send(ctx, tx.pgx, "rehearsed_amounts (order_id, attempt, account_id, documents, amount_minor, packages, parked, reaches_full, basis, period, reasons)")
	})
}

// ForgetRehearsed drops what an attempt has kept of a signed month, or of its own for 0,
// because it begins again.
func (s *Store) ForgetRehearsed(ctx context.Context, o models.RunOrder, month models.Period) error {
	return s.exec(ctx, fmt.Sprintf("dropping what order %d has rehearsed", o.ID), "DELETE FROM rehearsed_amounts WHERE order_id = $1 AND attempt = $2 AND period = $3", o.ID, o.Attempt, month)
}

// RehearsedCorrections is what a rehearsal would post for signed months, account by
// account: up to limit, the largest first, and how many there are.
func (s *Store) RehearsedCorrections(ctx context.Context, o models.RunOrder, limit int) (corrections []models.RehearsedAmount, all int64, err error) {
	corrections, err = list(ctx, s, "reading the rehearsed corrections", func(row pgx.CollectableRow) (a models.RehearsedAmount, err error) {
		var reasons string
		err = row.Scan(&a.Period, &a.AccountID, &a.Documents, &a.Amount, &a.Packages, &a.Parked, &reasons, &all)
		for reason := range strings.FieldsSeq(reasons) {
			a.Reasons = append(a.Reasons, models.AdjustmentReason(reason))
		}
		return a, err
	}, `SELECT period, account_id, documents, amount_minor, packages, parked, reasons, count(*) OVER () FROM rehearsed_amounts
		WHERE order_id = $1 AND attempt = $2 AND period <> 0 AND (documents, packages, parked) <> (0, 0, 0)
		ORDER BY abs(amount_minor) DESC, account_id, period LIMIT $3`, o.ID, o.Attempt, limit)
	return corrections, all, err
}

// RehearsedChanges is the accounts whose rehearsed discounts differ most from what was
// posted for the month before, and those that reach 100 % and had less on its last
// day; up to limit of each, and how many more of the latter there are.
func (s *Store) RehearsedChanges(ctx context.Context, o models.RunOrder, limit int) (changed []models.AccountChange, full []int64, more int64, err error) {
	before := o.Period.Previous()
	changed, err = list(ctx, s, "comparing the rehearsal with the month before", pgx.RowToStructByPos[models.AccountChange], `SELECT * FROM (
		SELECT account_id, coalesce(p.amount, 0) AS before, coalesce(r.amount_minor, 0) AS now
		FROM (SELECT account_id, amount_minor FROM rehearsed_amounts WHERE order_id = $1 AND attempt = $2 AND period = 0) r
		FULL JOIN (SELECT account_id, sum(amount_minor)::bigint AS amount FROM (
				SELECT account_id, amount_minor FROM adjustments WHERE storage_period = $3 AND period = $3
				UNION ALL SELECT account_id, amount_minor FROM adjustments WHERE period = $3 AND period <> storage_period) posted
			GROUP BY account_id) p USING (account_id)) c
		WHERE before <> now ORDER BY abs(now - before) DESC, account_id LIMIT $4`, o.ID, o.Attempt, before, limit)
	if err != nil {
		return nil, nil, 0, err
	}
	type account struct{ ID, All int64 }
	accounts, err := list(ctx, s, "looking for accounts that reach 100 %", pgx.RowToStructByPos[account], `SELECT account_id, count(*) OVER ()
		FROM rehearsed_amounts r WHERE order_id = $1 AND attempt = $2 AND period = 0 AND reaches_full = 1
			AND (SELECT coalesce(sum(percent), 0) FROM discounts d WHERE d.account_id = r.account_id AND from_day < $3 AND to_day >= $3) < 100
		ORDER BY amount_minor, account_id LIMIT $4`, o.ID, o.Attempt, o.Period.First().Time(), limit)
	for _, a := range accounts {
		full, more = append(full, a.ID), a.All-int64(len(accounts))
	}
	return changed, full, more, err
}

// UncomparedRehearsal is a rehearsal with the first run of its period that followed it
// and has ended, if they were not compared yet. A rehearsal that was repeated before the
// run is not compared, nor one whose amounts are deleted.
func (s *Store) UncomparedRehearsal(ctx context.Context) (models.RunOrder, models.Run, bool, error) {
	return s.uncompared(ctx, "looking for a rehearsal to compare", `SELECT run_id, started_at, state FROM runs r
			WHERE r.period = o.period AND `+followed+` ORDER BY run_id LIMIT 1`,
		"o.compared_run IS NULL")
}

// UncomparedCorrections is a rehearsal with the first run of a signed month that followed
// it, has ended and has posted into the month of the rehearsal, if they were not compared
// yet. It is chosen like that of [Store.UncomparedRehearsal].
func (s *Store) UncomparedCorrections(ctx context.Context) (models.RunOrder, models.Run, bool, error) {
	return s.uncompared(ctx, "looking for rehearsed corrections to compare", `SELECT DISTINCT ON (period) run_id, started_at, state FROM runs r
			WHERE r.posting_period = o.period AND r.period < o.period AND `+followed+` ORDER BY period, run_id`,
		"NOT o.compared_corrections @> jsonb_build_array(jsonb_build_object('run', r.run_id))")
}

// followed is of the runs r that began after the rehearsal o.
const followed = "r.started_at >= o.as_of AND r.state IN ('rehearsing', 'posting', 'done', 'incomplete')"

// uncompared is the first rehearsal o and run r, of those that runs selects, that have
// ended and for which a condition holds.
func (s *Store) uncompared(ctx context.Context, what, runs, condition string) (o models.RunOrder, run models.Run, found bool, err error) {
	type candidate struct {
		Order   int64
		Attempt int
		Empty   bool // it would have posted nothing
		Run     int64
	}
	candidates, err := list(ctx, s, what, pgx.RowToStructByPos[candidate], `SELECT o.order_id, o.attempt, o.result->>'accounts' = '0', r.run_id
		FROM run_orders o CROSS JOIN LATERAL (`+runs+`) r
		WHERE o.what = 'rehearse' AND o.state = 'done' AND r.state IN ('done', 'incomplete') AND `+condition+`
			AND NOT EXISTS (SELECT 1 FROM run_orders n WHERE n.period = o.period AND n.what = 'rehearse' AND n.state = 'done' AND n.order_id > o.order_id AND n.as_of <= r.started_at)
		ORDER BY o.order_id, r.run_id`)
	for _, c := range candidates {
		if kept := c.Empty; !kept {
			_, err = s.scan(ctx, what, []any{&kept}, "SELECT EXISTS (SELECT 1 FROM rehearsed_amounts WHERE order_id = $1 AND attempt = $2)", c.Order, c.Attempt)
			if err == nil && !kept {
				continue
			}
		}
		if err == nil {
			o, found, err = s.RunOrder(ctx, c.Order)
		}
		if err == nil && found {
			run, err = s.Run(ctx, c.Run)
		}
		return o, run, found, err
	}
	return o, run, false, err
}

// RunDifferences is the accounts for which a run has posted other than was rehearsed for a
// signed month, or for the rehearsal's own for 0: the largest differences, up to limit, and
// how many there are.
func (s *Store) RunDifferences(ctx context.Context, o models.RunOrder, month models.Period, run int64, limit int) (named []models.AccountOutcomes, all int64, err error) {
	named, err = list(ctx, s, "comparing a rehearsal with its run", func(row pgx.CollectableRow) (d models.AccountOutcomes, err error) {
		var basis *string
		err = row.Scan(&d.AccountID, &d.Rehearsed.Documents, &d.Rehearsed.Amount, &d.Rehearsed.Packages,
			&d.Posted.Documents, &d.Posted.Amount, &d.Posted.Packages, &basis, &d.Parked, &all)
		if err == nil && basis != nil {
			d.Basis = &models.SettlementBasis{}
			err = json.Unmarshal([]byte(*basis), d.Basis)
		}
		return d, err
	}, `WITH rehearsed AS (SELECT * FROM rehearsed_amounts WHERE order_id = $1 AND attempt = $2 AND period = $5),
		posted AS (SELECT account_id, sum(documents)::bigint AS documents, sum(amount)::bigint AS amount, sum(packages)::bigint AS packages FROM (
			SELECT account_id, 1 AS documents, amount_minor AS amount, 0 AS packages FROM adjustments WHERE run_id = $3
			UNION ALL SELECT account_id, 0, 0, 1 FROM sms_packages WHERE run_id = $3) p GROUP BY account_id)
		SELECT account_id, coalesce(r.documents, 0)::bigint, coalesce(r.amount_minor, 0), coalesce(r.packages, 0)::bigint,
			coalesce(p.documents, 0), coalesce(p.amount, 0), coalesce(p.packages, 0), r.basis, coalesce(r.parked, 0) > 0, count(*) OVER ()
		FROM rehearsed r FULL JOIN posted p USING (account_id)
		WHERE (coalesce(r.documents, 0), coalesce(r.amount_minor, 0), coalesce(r.packages, 0))
			<> (coalesce(p.documents, 0), coalesce(p.amount, 0), coalesce(p.packages, 0))
		ORDER BY abs(coalesce(r.amount_minor, 0) - coalesce(p.amount, 0)) DESC, account_id LIMIT $4`, o.ID, o.Attempt, run, limit, month)
	return named, all, err
}

// KeepComparison keeps the comparison of a rehearsal with a run: of a signed month beside
// those of others.
func (s *Store) KeepComparison(ctx context.Context, order int64, c *models.RunComparison) error {
	if c.Period != 0 {
		return s.exec(ctx, fmt.Sprintf("keeping the comparison of order %d with the corrections of %s", order, c.Period),
			`UPDATE run_orders SET compared_corrections = compared_corrections || jsonb_build_array($3::jsonb)
			WHERE order_id = $1 AND NOT compared_corrections @> jsonb_build_array(jsonb_build_object('run', $2::bigint))`, order, c.Run, c)
	}
	return s.exec(ctx, fmt.Sprintf("keeping the comparison of order %d", order),
		"UPDATE run_orders SET compared_run = $2, comparison = $3 WHERE order_id = $1", order, c.Run, c)
}

// queueRunOrders counts the orders that have not ended by state, and finds the oldest.
func queueRunOrders(batch *pgcopy.Batch, counts map[models.RunOrderState]int64, oldest *time.Time) {
	batch.Each("orders", func(v [][]byte) {
		counts[models.RunOrderState(v[0])] = pgcopy.Int8(v[1])
		if at := pgcopy.Time(v[2]); oldest.IsZero() || at.Before(*oldest) {
			*oldest = at
		}
	}, "SELECT state, count(*), min(requested_at) FROM run_orders WHERE state IN ('waiting', 'working') GROUP BY state")
}
