package pgcopy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Each runs a query and hands every row to fn as raw binary values, which are good
// until fn returns. Skipping the decoding into interfaces halves the cost of the wide
// reads of a run.
func Each(ctx context.Context, conn *pgx.Conn, what string, fn func(values [][]byte), sql string, args ...any) error {
	rows, err := conn.Query(ctx, sql, args...)
	if err == nil {
		err = each(rows, fn)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

// Visit is [Each] with an fn that may fail. After that it is not called again, and its
// error is returned.
func Visit(ctx context.Context, conn *pgx.Conn, what string, fn func(values [][]byte) error, sql string, args ...any) error {
	var failed error
	err := Each(ctx, conn, what, func(values [][]byte) {
		if failed == nil {
			failed = fn(values)
		}
	}, sql, args...)
	return errors.Join(err, failed)
}

func each(rows pgx.Rows, fn func(values [][]byte)) error {
	defer rows.Close()
	for rows.Next() {
		fn(rows.RawValues())
	}
	return rows.Err()
}

// Batch is statements that run one after another in one round trip. The zero value is
// an empty batch.
type Batch struct{ batch pgx.Batch }

// Exec queues a statement. An error says that doing what it is for has failed.
func (b *Batch) Exec(what, sql string, args ...any) {
	b.Query(what, func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	}, sql, args...)
}

// Each queues a query, each row of which is handed to fn as by [Each].
func (b *Batch) Each(what string, fn func(values [][]byte), sql string, args ...any) {
	b.Query("reading "+what, func(rows pgx.Rows) error { return each(rows, fn) }, sql, args...)
}

// Query queues a statement whose result is handed to read. A connection that ends
// between two statements gives rows that have an error and no result: all but their
// error would be a nil pointer, so that is looked at first.
func (b *Batch) Query(what string, read func(pgx.Rows) error, sql string, args ...any) {
	b.batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		err := rows.Err()
		if err == nil {
			err = read(rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// Send runs what is queued and empties the batch.
func (b *Batch) Send(ctx context.Context, conn *pgx.Conn) error {
	batch := b.batch
	b.batch = pgx.Batch{}
	return conn.SendBatch(ctx, &batch).Close()
}
