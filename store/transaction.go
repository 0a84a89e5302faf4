package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/sethvargo/go-retry"
	"gorm.io/gorm"

	"referral/internal/sleep"
	"referral/models"
)

// tx is one transaction, seen by GORM and by pgx alike.
type tx struct {
	*gorm.DB
	pgx    *pgx.Conn
	schema schemaName
	now    time.Time
	terms  *string // that the process works by; nil for any
}

// The isolation levels in use. In read committed, each statement sees what has been
// committed before it, whatever the server's default: what a lock has waited for must
// be seen behind it. In repeatable read, all statements see one state of the database.
const (
	beginReadCommitted  = "BEGIN ISOLATION LEVEL READ COMMITTED"
	beginRepeatableRead = "BEGIN ISOLATION LEVEL REPEATABLE READ"
	beginReadOnly       = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
)

// write runs fn in a transaction; an error names what it does. It is retried on
// deadlock, serialization failure or unique violation: fn must therefore build all its
// results again at each call.
func (s *Store) write(ctx context.Context, what string, fn func(*tx) error) error {
	return s.writeBatches(ctx, what, func(t *tx) error { return t.transaction(ctx, beginReadCommitted, fn) })
}

// writeBatches is write for an fn that sends beginReadCommitted with its first
// statements and COMMIT with its last ones, which saves two round trips.
func (s *Store) writeBatches(ctx context.Context, what string, fn func(*tx) error) error {
	ctx, span := startOperation(ctx, what)
	err := retryConflicts(ctx, func() error { return s.session(ctx, fn) })
	span.End(err)
	if isRetryable(err) {
		return wrap(what, models.NameRejection(err)) // a conflict, however long it lasts, is not an error of the data
	}
	return wrap(what, classify(err))
}

// snapshot runs fn in a transaction that sees one state of the database and writes
// nothing. It is retried like write.
func (s *Store) snapshot(ctx context.Context, what string, fn func(*tx) error) error {
	return read(ctx, what, func() error { return s.once(ctx, beginReadOnly, fn) })
}

// consistentSnapshot is snapshot for what compares rows of several nodes: see consistent.
func (s *Store) consistentSnapshot(ctx context.Context, what string, fn func(*tx) error) error {
	return read(ctx, what, func() error { return s.consistent(ctx, fn) })
}

func read(ctx context.Context, what string, attempt func() error) error {
	ctx, span := startOperation(ctx, what)
	err := retryConflicts(ctx, attempt)
	span.End(err)
	return wrap(what, classify(err))
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Store) once(ctx context.Context, begin string, fn func(*tx) error) error {
	return s.session(ctx, func(t *tx) error { return t.transaction(ctx, begin, fn) })
}

// maxAttempts and the waits between attempts let a conflict last for half a second.
const (
	maxAttempts = 12
	firstWait   = 2 * time.Millisecond
	longestWait = 60 * time.Millisecond
)

// retryConflicts repeats work that conflicts with other transactions.
func retryConflicts(ctx context.Context, work func() error) error {
	waits := retry.WithMaxRetries(maxAttempts-1, retry.WithJitterPercent(90, sleep.Backoff(firstWait, longestWait)))
	return retry.Do(ctx, waits, func(context.Context) error {
		err := work()
		if isRetryable(err) {
			return retry.RetryableError(err)
		}
		return err
	})
}

// session runs fn on a connection of its own. A transaction that fn leaves open is
// rolled back.
func (s *Store) session(ctx context.Context, fn func(*tx) error) error {
	return s.onConnection(ctx, func(conn *sql.Conn, raw *pgx.Conn) error {
		g := s.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
		g.Statement.ConnPool = conn
		err := fn(&tx{DB: g, pgx: raw, schema: s.schema, now: s.now(), terms: s.terms.Load()})
		if rollBack(ctx, raw) && err == nil {
			err = errors.New("a transaction was not committed")
		}
		return err
	})
}

func (t *tx) transaction(ctx context.Context, begin string, fn func(*tx) error) error {
	if _, err := t.pgx.Exec(ctx, begin); err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := fn(t); err != nil {
		return err
	}
	// A commit is not cancelled: its outcome would be unknown.
	rows, err := t.pgx.Query(context.WithoutCancel(ctx), commit)
	if err == nil {
		err = readCommit(rows)
	}
	return wrap("committing", err)
}

const commit = "COMMIT"

// readCommit tells a commit from the rollback that the server makes of it after an
// error.
func readCommit(rows pgx.Rows) error {
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	if rows.CommandTag().String() != commit {
		return pgx.ErrTxCommitRollback
	}
	return nil
}

const rollbackTimeout = 5 * time.Second

// rollBack ends a transaction that is open. Where that fails, release closes the
// connection.
func rollBack(ctx context.Context, raw *pgx.Conn) (wasOpen bool) {
	if raw.PgConn().TxStatus() == 'I' {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_, _ = raw.Exec(ctx, "ROLLBACK")
	return true
}

// onConnection runs fn on a connection of its own.
func (s *Store) onConnection(ctx context.Context, fn func(*sql.Conn, *pgx.Conn) error) error {
	conn, err := s.sql.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	raw, err := pgxConn(conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer release(conn, raw)
	return fn(conn, raw)
}

// release returns a connection to the pool, or closes it when something is left
// on it: a panic may have left a transaction open, or answers unread.
func release(conn *sql.Conn, raw *pgx.Conn) {
	if pg := raw.PgConn(); pg.IsBusy() || pg.TxStatus() != 'I' {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close()
}

// pgxConn is the driver's connection under a database/sql one. It may leave the
// callback, because the *sql.Conn has one user until Close.
func pgxConn(conn *sql.Conn) (*pgx.Conn, error) {
	var raw *pgx.Conn
	err := conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("unexpected driver %T", driver)
		}
		raw = c.Conn()
		return nil
	})
	return raw, wrap("reaching the database connection", err)
}

// errRetry has the transaction retried.
var errRetry = errors.New("the rows to lock have changed since they were read")

func isRetryable(err error) bool {
	if errors.Is(err, errRetry) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", uniqueViolation: // serialization, deadlock
		return true
	}
	return outdatedPlan(pg) || refusedCopy(pg)
}

// refusedCopy tells that a node has refused rows of a COPY. Citus does not say why: it may
// be a key that another transaction has written. What lies in the data is refused each time.
func refusedCopy(pg *pgconn.PgError) bool {
	return pg.Code == "XX000" && pg.Routine == "ReportCopyError"
}

// outdatedPlan tells a prepared statement that a newer release's schema has
// outdated: the next attempt prepares another. The server's text is in its own
// language, the name of its routine is not.
func outdatedPlan(pg *pgconn.PgError) bool {
	return pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery"
}

// classify marks errors that lie in the data: classes 22 (data exception) and 23
// (integrity), and rows beyond a size limit (54); and those that lie in the statement.
func classify(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "22", "23", "54":
			return fmt.Errorf("%w: %w", models.ErrRefused, err)
		}
	}
	return models.NameRejection(err)
}
