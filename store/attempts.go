package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"referral/models"
)

// reserveAttempt counts an attempt with each of n counters, the later ones only when it was
// within the limits of those before: an account over a limit of its own moves
// nothing that others share. It returns how many have moved.
func reserveAttempt(n int) string {
	var sql strings.Builder
	sql.WriteString(withoutFlush)
	from := "without_flush"
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

// returnTimeout bounds how long the counters of an attempt that is not granted take to be set back.
const returnTimeout = 5 * time.Second

// ReserveAttempt counts an attempt with each of the counters, before the code is looked
// up. When one of them is at its limit nothing is counted, and over is when the
// last of the windows at their limits ends; else over is zero. A caller that
// counts with several names them in the same order, so that no two lock each other out, and
// those that many share last.
func (s *Store) ReserveAttempt(ctx context.Context, counters []models.AttemptLimit) (over time.Time, err error) {
	var args []any
	for _, c := range counters {
		args = append(args, c.Scope, c.Subject, c.Ends, c.Allowed)
	}
	var moved int
	_, err = s.scan(ctx, "counting an attempt", []any{&moved}, reserveAttempt(len(counters)), args...)
	if err != nil || moved == len(counters) {
		return over, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnTimeout) // the client may be gone by now
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
	_, err = s.scan(ctx, "asking how long a limit lasts", []any{&over}, `SELECT greatest($5, max(window_ends)) FROM code_tries t
		JOIN unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) AS u (scope, subject, window_ends, allowed) USING (scope, subject, window_ends)
		WHERE t.tries >= u.allowed`, append(arraysOf(counters), over)...)
	return over.UTC(), err
}

// arraysOf is counters as parameters, column by column.
func arraysOf(counters []models.AttemptLimit) []any {
	var scopes, subjects []string
	var ends []time.Time
	var allowed []int32
	for _, c := range counters {
		scopes, subjects = append(scopes, c.Scope), append(subjects, c.Subject)
		ends, allowed = append(ends, c.Ends), append(allowed, int32(c.Allowed))
	}
	return []any{scopes, subjects, ends, allowed}
}

const returnAttempt = withoutFlush + `INSERT INTO code_tries AS t (scope, subject, window_ends, tries, allowed)
	SELECT u.scope, u.subject, u.ends, 0, u.allowed
	FROM without_flush, unnest($1::text[], $2::text[], $3::timestamptz[], $4::int[]) WITH ORDINALITY AS u (scope, subject, ends, allowed, n)
	ORDER BY u.n
	ON CONFLICT (scope, subject, window_ends) DO UPDATE SET tries = greatest(t.tries - 1, 0), allowed = EXCLUDED.allowed`

// ReturnAttempt takes an attempt off counters again, in the order of [Store.ReserveAttempt].
func (s *Store) ReturnAttempt(ctx context.Context, counters []models.AttemptLimit) error {
	if len(counters) == 0 {
		return nil
	}
	return s.exec(ctx, "returning an attempt", returnAttempt, arraysOf(counters)...)
}
