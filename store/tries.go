package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// countTries moves counters by one, those excepted that would leave their limits,
// and names those moved. Whoever counts several names them in the order of their
// scopes, so that no two lock each other out.
const countTries = quickly + `INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
	SELECT u.scope, u.subject, u.ends, greatest($5::int, 0), u.allowed
	FROM quickly, unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) WITH ORDINALITY AS u (scope, subject, ends, allowed, n)
	ORDER BY u.n
	ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = t.tries + $5, allowed = EXCLUDED.allowed
	WHERE t.tries + $5 BETWEEN 0 AND greatest(EXCLUDED.allowed, t.tries - 1)
	RETURNING scope, subject`

// ReserveTry counts a try with each of the counters, before the code is looked
// up. When one of them is at its limit nothing is counted, and over is when the
// last of those windows ends; else over is zero.
func (s *Store) ReserveTry(ctx context.Context, counters []models.Tries) (over time.Time, err error) {
	counted, err := s.countTries(ctx, counters, 1)
	if err != nil {
		return over, fmt.Errorf("counting a try: %w", err)
	}
	var reserved []models.Tries
	for _, c := range counters {
		if counted[[2]string{c.Scope, c.Subject}] {
			reserved = append(reserved, c)
			continue
		}
		if c.Ends.After(over) {
			over = c.Ends
		}
	}
	if !over.IsZero() {
		return over, s.GiveBackTry(ctx, reserved)
	}
	return over, nil
}

// GiveBackTry takes a try off again.
func (s *Store) GiveBackTry(ctx context.Context, counters []models.Tries) error {
	if len(counters) == 0 {
		return nil
	}
	if _, err := s.countTries(ctx, counters, -1); err != nil {
		return fmt.Errorf("giving a try back: %w", err)
	}
	return nil
}

func (s *Store) countTries(ctx context.Context, counters []models.Tries, by int) (counted map[[2]string]bool, err error) {
	scopes, subjects := make([]string, len(counters)), make([]string, len(counters))
	ends, allowed := make([]time.Time, len(counters)), make([]int32, len(counters))
	for i, c := range counters {
		scopes[i], subjects[i], ends[i], allowed[i] = c.Scope, c.Subject, c.Ends, int32(c.Allowed)
	}
	err = s.statement(ctx, func(conn *pgx.Conn) error {
		counted = map[[2]string]bool{}
		return each(ctx, conn, "tries", func(v [][]byte) { counted[[2]string{string(v[0]), string(v[1])}] = true },
			countTries, scopes, subjects, ends, allowed, by)
	})
	return counted, err
}

// sweepBatch bounds what one sweep locks and how long it takes.
const sweepBatch = 10_000

// SweepTries forgets counters whose windows are over, a part of them at a time,
// and tells how many those were.
func (s *Store) SweepTries(ctx context.Context) (int64, error) {
	return s.sweep(ctx, "counters of tries", `DELETE FROM code_tries WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM code_tries WHERE window_ends < $1 LIMIT $2))`, s.now())
}

func (s *Store) sweep(ctx context.Context, what, sql string, before time.Time) (n int64, err error) {
	err = s.statement(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, sql, before, sweepBatch)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweeping %s: %w", what, err)
	}
	return n, nil
}
