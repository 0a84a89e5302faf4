package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"
)

// statementBatch gathers statements that GORM builds, and others, and has them run one
// after another in one round trip. What an activation costs is the number of
// times that it waits for the database, not the statements.
type statementBatch struct {
	db    *gorm.DB // builds statements and runs none
	conn  *pgx.Conn
	batch pgx.Batch
	err   error // of the first statement that could not be built
}

func (t *tx) statementBatch() *statementBatch {
	return &statementBatch{db: t.Session(&gorm.Session{DryRun: true}), conn: t.pgx}
}

// find queues a query, ended by Find, for the records that it names.
func (r *statementBatch) find(what string, q *gorm.DB) {
	r.build("reading "+what, q, func(rows pgx.Rows) error {
		gorm.Scan(scannable{rows}, q, 0)
		return q.Error
	})
}

// write queues a Create, an Update or a Delete. What the database gives back is
// not put into the records.
func (r *statementBatch) write(what string, q *gorm.DB) { r.build(what, q, nothing) }

// writeAll queues Creates of records, as many in each as GORM can carry.
func writeAll[T any](r *statementBatch, what string, db *gorm.DB, records []T) {
	db = db.Session(&gorm.Session{}) // good for many
	for part := range slices.Chunk(records, insertBatch) {
		r.write(what, db.Create(&part))
	}
}

func (r *statementBatch) build(what string, q *gorm.DB, read func(pgx.Rows) error) {
	if q.Error == nil {
		r.add(what, read, q.Statement.SQL.String(), q.Statement.Vars...)
	} else if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, q.Error)
	}
}

// exec queues a statement that GORM does not build.
func (r *statementBatch) exec(what, sql string, args ...any) { r.add(what, nothing, sql, args...) }

func (r *statementBatch) add(what string, read func(pgx.Rows) error, sql string, args ...any) {
	queueRows(&r.batch, func(rows pgx.Rows) error {
		if err := read(rows); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}, sql, args...)
}

func nothing(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}

// send runs what was gathered and forgets it.
func (r *statementBatch) send(ctx context.Context) error {
	if r.err != nil || r.batch.Len() == 0 {
		return r.err
	}
	batch := r.batch
	r.batch = pgx.Batch{}
	return r.conn.SendBatch(ctx, &batch).Close()
}

// scannable is rows of pgx as GORM reads them.
type scannable struct{ pgx.Rows }

// Columns is their names.
func (s scannable) Columns() ([]string, error) {
	fields := s.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names, nil
}

// ColumnTypes is asked for by nothing that reads records.
func (s scannable) ColumnTypes() ([]*sql.ColumnType, error) { return nil, nil }

// Close ends them. What went wrong, Err tells.
func (s scannable) Close() error {
	s.Rows.Close()
	return nil
}

// idList is account numbers as one parameter. GORM makes one of each member of a
// list, and a statement of its own of each length.
type idList []int64

// Value writes a database's list.
func (l idList) Value() (driver.Value, error) {
	text := []byte{'{'}
	for i, id := range l {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, id, 10)
	}
	return string(append(text, '}')), nil
}
