package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
)

// withoutFlush is for writes that may be lost in a crash of the server, or that a later
// commit makes durable: their commit does not wait for the disk. The whole statement
// has the setting once it selects from it.
const withoutFlush = "WITH without_flush AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "

// statement runs fn, which is one statement, outside any other transaction: one
// round trip; an error names what it does. It is retried on a conflict with another
// transaction.
func (s *Store) statement(ctx context.Context, what string, fn func(*pgx.Conn) error) error {
	ctx, span := startOperation(ctx, what)
	err := retryConflicts(ctx, func() error {
		return s.onConnection(ctx, func(_ *sql.Conn, raw *pgx.Conn) error { return fn(raw) })
	})
	if errors.Is(err, pgx.ErrNoRows) {
		span.End(nil)
	} else {
		span.End(err)
	}
	return wrap(what, classify(err))
}

// exec is statement for one that gives no rows.
func (s *Store) exec(ctx context.Context, what, sql string, args ...any) error {
	_, err := s.change(ctx, what, sql, args...)
	return err
}

// change is exec that tells how many rows were changed.
func (s *Store) change(ctx context.Context, what, sql string, args ...any) (rows int64, err error) {
	err = s.statement(ctx, what, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// scan is statement for a query that gives one row or, when found is false, none.
func (s *Store) scan(ctx context.Context, what string, into []any, sql string, args ...any) (found bool, err error) {
	err = s.statement(ctx, what, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, sql, args...).Scan(into...) })
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// list is statement for a query that gives rows, each of which is read by read.
func list[T any](ctx context.Context, s *Store, what string, read pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	err = s.statement(ctx, what, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err == nil {
			all, err = pgx.CollectRows(rows, read)
		}
		return err
	})
	return all, err
}

// exec runs a statement that gives no rows in the transaction.
func (t *tx) exec(what, sql string, args ...any) error {
	_, err := t.change(what, sql, args...)
	return err
}

// change is exec that tells how many rows were changed.
func (t *tx) change(what, sql string, args ...any) (rows int64, err error) {
	tag, err := t.pgx.Exec(t.Statement.Context, sql, args...)
	return tag.RowsAffected(), wrap(what, err)
}

// scan runs a query that gives one row or, when found is false, none.
func (t *tx) scan(what string, into []any, sql string, args ...any) (found bool, err error) {
	err = t.pgx.QueryRow(t.Statement.Context, sql, args...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, wrap(what, err)
}

// lock takes one of the advisory locks that end with the transaction.
func (t *tx) lock(what string, lock advisoryLock) error {
	return t.exec("locking "+what, "SELECT pg_advisory_xact_lock($1)", lock.in(t.schema))
}
