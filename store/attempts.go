package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// reserveTry counts a try with each of n counters, the later ones only when it was
// within the limits of those before: an account over a limit of its own moves
// nothing that others share. It tells how many have moved.
func reserveTry(n int) string {
	var sql strings.Builder
	sql.WriteString(quickly)
	from := "quickly"
	for i := range n {
		scope, subject, ends, allowed := 4*i+1, 4*i+2, 4*i+3, 4*i+4
		fmt.Fprintf(&sql, `, c%d AS (INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
			SELECT $%d::text, $%d::text, $%d::timestamptz, 1, $%d::int FROM %s
			ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = t.tries + 1, allowed = EXCLUDED.allowed
			WHERE t.tries < EXCLUDED.allowed RETURNING 1)`, i, scope, subject, ends, allowed, from)
		from = fmt.Sprint("c", i)
	}
	sql.WriteString(" SELECT ")
	for i := range n {
		fmt.Fprintf(&sql, "(SELECT count(*) FROM c%d) + ", i)
	}
	return sql.String() + "0"
}

// giveBackTime bounds how long a try that is not granted is taken off again.
const giveBackTime = 5 * time.Second

// ReserveAttempt counts a try with each of the counters, before the code is looked
// up. When one of them is at its limit nothing is counted, and over is when the
// last of the windows at their limits ends; else over is zero. Anyone who counts
// several names them in the same order, so that no two lock each other out, and
// those that many share last.
func (s *Store) ReserveAttempt(ctx context.Context, counters []models.AttemptLimit) (over time.Time, err error) {
	var args []any
	for _, c := range counters {
		args = append(args, c.Scope, c.Subject, c.Ends, c.Allowed)
	}
	var moved int
	err = s.statement(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, reserveTry(len(counters)), args...).Scan(&moved)
	})
	if err != nil {
		return over, fmt.Errorf("counting a try: %w", err)
	}
	if moved == len(counters) {
		return over, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime) // the client may be gone by now
	defer cancel()
	if err := s.ReturnAttempt(ctx, counters[:moved]); err != nil {
		return over, err
	}
	return s.lastAtLimit(ctx, counters[moved:])
}

// lastAtLimit is when the last of the windows at their limits ends; the first of
// them is.
func (s *Store) lastAtLimit(ctx context.Context, counters []models.AttemptLimit) (over time.Time, err error) {
	over = counters[0].Ends
	a := arraysOf(counters)
	err = s.statement(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT greatest($5, max(window_ends)) FROM code_tries t
			JOIN unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) AS u (scope, subject, window_ends, allowed) USING (scope, subject, window_ends)
			WHERE t.tries >= u.allowed`, a.scopes, a.subjects, a.ends, a.allowed, over).Scan(&over)
	})
	if err != nil {
		return over, fmt.Errorf("asking how long a limit lasts: %w", err)
	}
	return over.UTC(), nil
}

// triesArrays is counters as parameters, column by column.
type triesArrays struct {
	scopes, subjects []string
	ends             []time.Time
	allowed          []int32
}

func arraysOf(counters []models.AttemptLimit) (a triesArrays) {
	for _, c := range counters {
		a.scopes, a.subjects = append(a.scopes, c.Scope), append(a.subjects, c.Subject)
		a.ends, a.allowed = append(a.ends, c.Ends), append(a.allowed, int32(c.Allowed))
	}
	return a
}

const giveBackTry = quickly + `INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
	SELECT u.scope, u.subject, u.ends, 0, u.allowed
	FROM quickly, unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) WITH ORDINALITY AS u (scope, subject, ends, allowed, n)
	ORDER BY u.n
	ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = greatest(t.tries - 1, 0), allowed = EXCLUDED.allowed`

// ReturnAttempt takes a try off again, of counters in the order of [Store.ReserveAttempt].
func (s *Store) ReturnAttempt(ctx context.Context, counters []models.AttemptLimit) error {
	if len(counters) == 0 {
		return nil
	}
	a := arraysOf(counters)
	err := s.statement(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, giveBackTry, a.scopes, a.subjects, a.ends, a.allowed)
		return err
	})
	if err != nil {
		return fmt.Errorf("giving a try back: %w", err)
	}
	return nil
}
