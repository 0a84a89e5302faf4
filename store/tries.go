package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// reserveTry counts a try with each of n counters, the later ones only when it was
// within the limits of those before: whoever is over a limit of its own moves
// nothing that others share. It tells of each counter whether it has moved, and
// whether it had been at its limit before.
func reserveTry(n int) string {
	var with, tell strings.Builder
	with.WriteString(quickly)
	from := "quickly"
	for i := range n {
		scope, subject, ends, allowed := 4*i+1, 4*i+2, 4*i+3, 4*i+4
		fmt.Fprintf(&with, `, c%d AS (INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
			SELECT $%d::text, $%d::text, $%d::timestamptz, 1, $%d::int FROM %s
			ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = t.tries + 1, allowed = EXCLUDED.allowed
			WHERE t.tries < EXCLUDED.allowed RETURNING 1)`, i, scope, subject, ends, allowed, from)
		from = fmt.Sprint("c", i)
		fmt.Fprintf(&tell, `, EXISTS (SELECT FROM c%d), EXISTS (SELECT FROM code_tries
			WHERE scope = $%d AND subject = $%d AND window_ends = $%d AND tries >= $%d)`, i, scope, subject, ends, allowed)
	}
	return with.String() + " SELECT " + strings.TrimPrefix(tell.String(), ", ")
}

// ReserveTry counts a try with each of the counters, before the code is looked
// up. When one of them is at its limit nothing is counted, and over is when the
// last of the windows at their limits ends; else over is zero. Whoever counts
// several names them in the same order, so that no two lock each other out, and
// those that many share last.
func (s *Store) ReserveTry(ctx context.Context, counters []models.Tries) (over time.Time, err error) {
	var args []any
	for _, c := range counters {
		args = append(args, c.Scope, c.Subject, c.Ends, c.Allowed)
	}
	moved, full := make([]bool, len(counters)), make([]bool, len(counters))
	var into []any
	for i := range counters {
		into = append(into, &moved[i], &full[i])
	}
	err = s.statement(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, reserveTry(len(counters)), args...).Scan(into...)
	})
	if err != nil {
		return over, fmt.Errorf("counting a try: %w", err)
	}
	refused := slices.Index(moved, false)
	if refused < 0 {
		return over, nil
	}
	for i, c := range counters {
		if (i == refused || full[i]) && c.Ends.After(over) {
			over = c.Ends
		}
	}
	// Whoever has asked may be gone by now.
	return over, s.GiveBackTry(context.WithoutCancel(ctx), counters[:refused])
}

const giveBackTry = quickly + `INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
	SELECT u.scope, u.subject, u.ends, 0, u.allowed
	FROM quickly, unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) WITH ORDINALITY AS u (scope, subject, ends, allowed, n)
	ORDER BY u.n
	ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = greatest(t.tries - 1, 0), allowed = EXCLUDED.allowed`

// GiveBackTry takes a try off again, of counters in the order of [Store.ReserveTry].
func (s *Store) GiveBackTry(ctx context.Context, counters []models.Tries) error {
	if len(counters) == 0 {
		return nil
	}
	scopes, subjects := make([]string, len(counters)), make([]string, len(counters))
	ends, allowed := make([]time.Time, len(counters)), make([]int32, len(counters))
	for i, c := range counters {
		scopes[i], subjects[i], ends[i], allowed[i] = c.Scope, c.Subject, c.Ends, int32(c.Allowed)
	}
	err := s.statement(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, giveBackTry, scopes, subjects, ends, allowed)
		return err
	})
	if err != nil {
		return fmt.Errorf("giving a try back: %w", err)
	}
	return nil
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
