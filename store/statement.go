package store

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
)

// quickly is for writes whose loss in a crash of the server would do no harm, or
// that a later commit carries with it: their commit waits for no disk. Selecting
// from it makes the whole statement so.
const quickly = "WITH quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "

// statement runs fn, which is one statement, outside any other transaction: one
// round trip. It is retried on a conflict with another transaction.
func (s *Store) statement(ctx context.Context, fn func(*pgx.Conn) error) error {
	return classify(repeat(ctx, func() error {
		return s.onConnection(ctx, func(_ *sql.Conn, raw *pgx.Conn) error { return fn(raw) })
	}))
}
