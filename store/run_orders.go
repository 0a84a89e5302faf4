package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// orderColumns is an order without what it found.
const orderColumns = `order_id, period, from_period, terms, what, "full", accepted_amount, requested_by, requester_subject, requested_at, state, attempt, seen_at,
	chunks_through, chunks_all, finished_at, error`

const wholeOrderColumns = orderColumns + ", result, comparison, what_if, signing, compared_corrections"

func orderFields(o *models.RunOrder, seen, finished **time.Time) []any {
	return []any{
		&o.ID, &o.Period, &o.From, &o.Terms, &o.What, &o.Full, &o.Accepted, &o.By.Name, &o.By.Subject, &o.At, &o.State, &o.Attempt, seen,
		&o.Through, &o.All, finished, &o.Error,
	}
}

func scanOrder(row pgx.CollectableRow) (o models.RunOrder, err error) {
	var seen, finished *time.Time
	err = row.Scan(orderFields(&o, &seen, &finished)...)
	o.At, o.Seen, o.FinishedAt = o.At.UTC(), zeroTime(seen), zeroTime(finished)
	return o, err
}

func scanWholeOrder(row pgx.CollectableRow) (o models.RunOrder, err error) {
	var seen, finished *time.Time
	err = row.Scan(append(orderFields(&o, &seen, &finished), &o.Rehearsal, &o.Comparison, &o.WhatIf, &o.Signing, &o.Corrected)...)
	slices.SortFunc(o.Corrected, func(a, b models.RunComparison) int { return cmp.Compare(a.Period, b.Period) })
	o.At, o.Seen, o.FinishedAt = o.At.UTC(), zeroTime(seen), zeroTime(finished)
	return o, err
}

// OrderRun keeps a person's order for a scheduler and records the act. The same order
// that has not ended is found instead: made is then false, and nothing is recorded unless
// the act uses up an approval. That a month is signed is recorded when it is: of an order
// to sign it, this records the approval.
func (s *Store) OrderRun(ctx context.Context, o models.RunOrder, act models.OperatorAction) (order models.RunOrder, made bool, err error) {
	err = s.write(ctx, fmt.Sprintf("ordering %s of %s", o.What, o.Period), func(tx *tx) error {
		if made, err = tx.keepOrder(&o); err != nil {
			return err
		}
		if made || act.Approval != nil {
			record := tx.recordAction
			if o.What == models.OrderSign {
				record = func(act models.OperatorAction) error { return tx.approve(&act) }
			}
			if err := record(act); err != nil {
				return err
			}
		}
		found, err := tx.pgx.Query(ctx, "SELECT "+orderColumns+` FROM run_orders WHERE period = $1 AND what = $2 AND from_period = $3 AND terms = $4
			AND state IN ('waiting', 'working')`, o.Period, o.What, o.From, o.Terms)
		if err != nil {
			return err
		}
		order, err = pgx.CollectExactlyOneRow(found, scanOrder)
		if errors.Is(err, pgx.ErrNoRows) {
			return errRetry // the other one has ended in this moment
		}
		return err
	})
	return order, made, err
}

// keepOrder keeps an order, unless the same one has not ended.
func (t *tx) keepOrder(o *models.RunOrder) (made bool, err error) {
	rows, err := t.change("keeping the order", `INSERT INTO run_orders (period, from_period, terms, what, "full", accepted_amount, requested_by, requester_subject, requested_at, signing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`, o.Period, o.From, o.Terms, o.What, o.Full, o.Accepted, o.By.Name, o.By.Subject, t.now, o.Signing)
	return rows == 1, err
}

// SignAgain orders the newest signature of a period again, which has failed, by the
// approval that it had, and records the act. made is false when that does not allow it.
func (s *Store) SignAgain(ctx context.Context, p models.Period, act models.OperatorAction) (made bool, err error) {
	err = s.write(ctx, "signing "+p.String()+" again", func(tx *tx) error {
		made = false
		rows, err := tx.pgx.Query(ctx, "SELECT "+wholeOrderColumns+" FROM run_orders WHERE period = $1 AND what = 'sign' ORDER BY order_id DESC LIMIT 1", p)
		if err != nil {
			return err
		}
		last, err := pgx.CollectExactlyOneRow(rows, scanWholeOrder)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		again, allowed := last.Again(tx.now)
		if !allowed {
			return nil
		}
		if made, err = tx.keepOrder(&again); err != nil || !made {
			return err
		}
		return tx.recordAction(act)
	})
	return made, err
}

// ClaimRunOrder takes up the oldest order that waits, or whose process has said nothing
// for a minute by the database's clock, and is taken for dead. found is false when there
// is none, or when other terms are in force than this process has.
func (s *Store) ClaimRunOrder(ctx context.Context) (o models.RunOrder, found bool, err error) {
	err = s.write(ctx, "taking up an order", func(tx *tx) error {
		found = false
		if err := tx.holdTerms(ctx); err != nil {
			return err
		}
		rows, err := tx.pgx.Query(ctx, `WITH free AS (SELECT order_id FROM run_orders
				WHERE state = 'waiting' OR state = 'working' AND seen_at < statement_timestamp() - interval '1 minute'
				ORDER BY order_id LIMIT 1 FOR UPDATE SKIP LOCKED)
			UPDATE run_orders SET state = 'working', attempt = attempt + 1, seen_at = statement_timestamp(), chunks_through = 0, chunks_all = 0
			WHERE order_id = (SELECT order_id FROM free)
			RETURNING `+wholeOrderColumns)
		if err != nil {
			return err
		}
		o, err = pgx.CollectExactlyOneRow(rows, scanWholeOrder)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		found = err == nil
		return err
	})
	if errors.Is(err, ErrOtherTerms) {
		return o, false, nil
	}
	return o, found, err
}

// OrderInWork is an order that a process works on, by the database's clock. found is false
// when no process has said so within a minute.
func (s *Store) OrderInWork(ctx context.Context) (o models.RunOrder, found bool, err error) {
	orders, err := list(ctx, s, "looking for an order in work", scanOrder, "SELECT "+orderColumns+` FROM run_orders
		WHERE state = 'working' AND seen_at >= statement_timestamp() - interval '1 minute' ORDER BY order_id LIMIT 1`)
	if err != nil || len(orders) == 0 {
		return o, false, err
	}
	return orders[0], true, nil
}

// ownedOrder is the order while this attempt works on it: $1 and $2.
const ownedOrder = " WHERE order_id = $1 AND attempt = $2 AND state = 'working'"

// NoteRunOrder says that a process still works on an order, and how far it is. held is
// false when another process has taken it up.
func (s *Store) NoteRunOrder(ctx context.Context, o models.RunOrder) (held bool, err error) {
	return s.changeOrder(ctx, o, "noting the progress of", "seen_at = statement_timestamp(), chunks_through = $3, chunks_all = $4", o.Through, o.All)
}

// ReleaseRunOrder gives an order back for another process to take up.
func (s *Store) ReleaseRunOrder(ctx context.Context, o models.RunOrder) error {
	_, err := s.changeOrder(ctx, o, "giving back", "state = 'waiting'")
	return err
}

// EndRunOrder keeps what an order has come to: what its rehearsal or what-if found, why a
// month was not signed, or its Error.
func (s *Store) EndRunOrder(ctx context.Context, o models.RunOrder) error {
	state := models.OrderDone
	if o.Error != "" {
		state = models.OrderFailed
	}
	var asOf *time.Time
	if o.Rehearsal != nil {
		asOf = &o.Rehearsal.AsOf
	}
	var whatIf *string
	if o.WhatIf != nil {
		text := string(o.WhatIf)
		whatIf = &text
	}
	_, err := s.changeOrder(ctx, o, "ending", `state = $3, finished_at = $4, error = $5, result = $6, as_of = $7, what_if = $8, signing = $9,
			compared_corrections = CASE WHEN what = 'rehearse' THEN '[]'::jsonb END`,
		state, s.now(), validText(o.Error), o.Rehearsal, asOf, whatIf, o.Signing)
	return err
}

// endSigning ends the order that a signature carries out. Its process may have been taken
// for dead in the meantime: one of them signs.
func (t *tx) endSigning(o *models.RunOrder) error {
	if o == nil {
		return nil
	}
	rows, err := t.change("ending the order", "UPDATE run_orders SET state = 'done', finished_at = $3, chunks_through = $4, chunks_all = $4"+ownedOrder,
		o.ID, o.Attempt, t.now, o.All)
	if err == nil && rows == 0 {
		err = models.ErrOrderLost
	}
	return err
}

func (s *Store) changeOrder(ctx context.Context, o models.RunOrder, what, set string, args ...any) (held bool, err error) {
	rows, err := s.change(ctx, fmt.Sprintf("%s order %d", what, o.ID), "UPDATE run_orders SET "+set+ownedOrder, append([]any{o.ID, o.Attempt}, args...)...)
	return rows == 1, err
}

// RunOrders is up to limit orders for runs and rehearsals of a period, the newest first,
// without what they found.
func (s *Store) RunOrders(ctx context.Context, p models.Period, limit int) ([]models.RunOrder, error) {
	return list(ctx, s, fmt.Sprintf("reading the orders of %s", p), scanOrder,
		"SELECT "+orderColumns+" FROM run_orders WHERE period = $1 AND what NOT IN ('what-if', 'sign') ORDER BY order_id DESC LIMIT $2", p, limit)
}

// WhatIfs is up to limit orders for comparisons of terms, the newest first, without what
// they found.
func (s *Store) WhatIfs(ctx context.Context, limit int) ([]models.RunOrder, error) {
	return list(ctx, s, "reading the comparisons of terms", scanOrder,
		"SELECT "+orderColumns+" FROM run_orders WHERE what = 'what-if' ORDER BY order_id DESC LIMIT $1", limit)
}

// RunOrder is one order with what it found. found is false when there is none.
func (s *Store) RunOrder(ctx context.Context, id int64) (o models.RunOrder, found bool, err error) {
	return s.wholeOrder(ctx, "order_id = $1", id)
}

// LastRehearsal is the newest rehearsal of a period that is done. found is false when
// there is none.
func (s *Store) LastRehearsal(ctx context.Context, p models.Period) (o models.RunOrder, found bool, err error) {
	return s.wholeOrder(ctx, "period = $1 AND what = 'rehearse' AND state = 'done'", p)
}

// LastSigning is the newest order to sign a period. found is false when there is none.
func (s *Store) LastSigning(ctx context.Context, p models.Period) (o models.RunOrder, found bool, err error) {
	return s.wholeOrder(ctx, "period = $1 AND what = 'sign'", p)
}

func (s *Store) wholeOrder(ctx context.Context, which string, value any) (o models.RunOrder, found bool, err error) {
	orders, err := list(ctx, s, "reading an order", scanWholeOrder,
		"SELECT "+wholeOrderColumns+" FROM run_orders WHERE "+which+" ORDER BY order_id DESC LIMIT 1", value)
	if err != nil || len(orders) == 0 {
		return o, false, err
	}
	return orders[0], true, nil
}

// RunsOf is up to limit runs of a period, the newest first.
func (s *Store) RunsOf(ctx context.Context, p models.Period, limit int) ([]models.Run, error) {
	var records []runRecord
	err := s.gorm.WithContext(ctx).Where("period = ?", p).Order("run_id DESC").Limit(limit).Find(&records).Error
	return convert(records, (*runRecord).run), wrap(fmt.Sprintf("reading the runs of %s", p), err)
}

// PostedTotals is what the runs of a period have posted.
func (s *Store) PostedTotals(ctx context.Context, p models.Period) (totals models.Totals, err error) {
	err = s.snapshot(ctx, "reading what is posted", func(tx *tx) (err error) {
		totals, err = tx.postedTotals(p)
		return err
	})
	return totals, err
}
