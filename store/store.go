package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"referral/internal/sleep"
	"referral/models"
)

// Options say which database to use.
type Options struct {
	DSN              string
	MaxConnections   int
	StatementTimeout time.Duration    // none when zero
	ReadOnly         bool             // the database refuses every write
	Now              func() time.Time // defaults to time.Now

	// RehearsalFault hears of a rehearsed chunk that the temporary directory did not
	// keep or give back: it is settled again, and nothing else happens. It may be nil.
	RehearsalFault func(chunk models.ChunkRef, err error)

	// Rejected hears of every statement that the database rejects whatever the data
	// (see [models.ErrStatementRejected]). It may be nil.
	Rejected func(sqlState string)
}

// Store is the programme's database. It is safe for concurrent use.
type Store struct {
	sql            *sql.DB
	gorm           *gorm.DB
	now            func() time.Time
	rehearsalCache rehearsalCache
	terms          atomic.Pointer[string] // digest of those that this process has adopted

	topics atomic.Pointer[topicNumbers] // as far as this process has needed them

	idle      int // connections kept
	readOnly  bool
	unfit     atomic.Bool     // when it was last looked at
	direct    *pgx.ConnConfig // as the server is found, before anything is made read-only
	unlimited *pgx.ConnConfig // of a migration, which may build an index for hours
}

// Open prepares the connections; the database is asked nothing yet, so that a
// service may start before it.
func Open(o Options) (*Store, error) {
	config, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		return nil, errors.New("database.dsn cannot be read: give it as postgres://user:password@host:5432/name")
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["client_encoding"] = "UTF8" // a database may set another one for its clients
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "referral"
	}
	config.OnPgError = onError(config.OnPgError, o.Rejected)
	direct, unlimited := config.Copy(), config.Copy()
	direct.AfterConnect, unlimited.AfterConnect = settings(o.StatementTimeout, false), settings(0, false)
	config.AfterConnect = settings(o.StatementTimeout, o.ReadOnly)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(max(o.MaxConnections, 4))
	idle := max(o.MaxConnections, 4)
	db.SetMaxIdleConns(idle)
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: db}), &gorm.Config{
		// GORM's own log would print parameters, which hold personal data; every
		// error is returned and logged by the caller instead.
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true, DisableAutomaticPing: true,
		QueryFields: true, // a newer release may add columns while this one runs
	})
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return &Store{sql: db, gorm: g, now: now, rehearsalCache: rehearsalCache{fault: o.RehearsalFault, room: rehearsalMemory}, idle: idle, readOnly: o.ReadOnly, direct: direct, unlimited: unlimited}, nil
}

// onError reports rejections, and otherwise does what the driver does. A session
// that is read-only is closed: it may have been opened before the database was made
// writable again.
func onError(usual pgconn.PgErrorHandler, hear func(sqlState string)) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if state, rejected := models.RejectedState(err); rejected && !outdatedPlan(err) && hear != nil {
			hear(state)
		}
		return usual(conn, err) && err.Code != readOnlyTransaction
	}
}

const readOnlyTransaction = "25006"

// settings are made once a connection stands: a pooler refuses them among the
// parameters of its start. A timeout of zero is none.
func settings(timeout time.Duration, readOnly bool) pgconn.AfterConnectFunc {
	set := fmt.Sprintf("SET statement_timeout = %d; SET default_transaction_isolation = 'read committed'", timeout.Milliseconds())
	if readOnly {
		set += "; SET default_transaction_read_only = on"
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error { return conn.Exec(ctx, set).Close() }
}

// Close gives the connections back.
func (s *Store) Close() error { return errors.Join(s.sql.Close(), s.rehearsalCache.close()) }

// Ping asks the database whether it answers.
func (s *Store) Ping(ctx context.Context) error { return s.sql.PingContext(ctx) }

// tx is one transaction, seen by GORM and by pgx alike.
type tx struct {
	*gorm.DB
	pgx   *pgx.Conn
	now   time.Time
	terms *string // that the process works by; nil for any
}

// write runs fn in a transaction. It is retried on deadlock, serialization failure
// or unique violation: fn must therefore build all its results again at each call.
// Each statement sees what has been committed before it, whatever the server's
// habit: what a lock has waited for must be seen behind it.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	err := s.retry(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn)
	if isRetryable(err) {
		return models.NameRejection(err) // however long it was in the way: that is no fault of the data
	}
	return classify(err)
}

// snapshot is write with one view of the database throughout.
func (s *Store) snapshot(ctx context.Context, readOnly bool, fn func(*tx) error) error {
	return classify(s.retry(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: readOnly}, fn))
}

const maxAttempts = 12

func (s *Store) retry(ctx context.Context, opts *sql.TxOptions, fn func(*tx) error) error {
	return repeat(ctx, func() error { return s.once(ctx, opts, fn) })
}

// repeat does a piece of work again while it conflicts with other transactions, each
// time a little later.
func repeat(ctx context.Context, work func() error) error {
	for attempt := 1; ; attempt++ {
		err := work()
		if err == nil || attempt == maxAttempts || !isRetryable(err) {
			return err
		}
		if !sleep.For(ctx, time.Duration(attempt)*time.Millisecond*time.Duration(1+rand.IntN(10))) {
			return ctx.Err()
		}
	}
}

func (s *Store) once(ctx context.Context, opts *sql.TxOptions, fn func(*tx) error) error {
	return s.onConnection(ctx, func(conn *sql.Conn, raw *pgx.Conn) error {
		// The transaction itself does not end with ctx, its statements do: database/sql
		// would roll back behind our back, on the very connection that pgx is using.
		session := s.gorm.Session(&gorm.Session{NewDB: true, Context: context.WithoutCancel(ctx)})
		session.Statement.ConnPool = conn
		return session.Transaction(func(g *gorm.DB) error {
			return fn(&tx{DB: g.WithContext(ctx), pgx: raw, now: s.now(), terms: s.terms.Load()})
		}, opts)
	})
}

// onConnection runs fn on a connection that is its own meanwhile.
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
	defer giveBack(conn, raw)
	return fn(conn, raw)
}

// giveBack returns a connection to the pool, or closes it when something is left
// on it: a panic may have left a transaction open, or answers unread.
func giveBack(conn *sql.Conn, raw *pgx.Conn) {
	if pg := raw.PgConn(); pg.IsBusy() || pg.TxStatus() != 'I' {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close()
}

// pgxConn reaches the driver's connection under a database/sql one, for COPY.
// It leaves the callback on purpose: the *sql.Conn is ours alone until Close, and
// GORM could not be used inside the callback.
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
	if err != nil {
		return nil, fmt.Errorf("reaching the database connection: %w", err)
	}
	return raw, nil
}

// errAgain asks for the transaction to be run again.
var errAgain = errors.New("the rows to lock have changed meanwhile")

func isRetryable(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", "23505": // serialization, deadlock, unique key
		return true
	}
	return outdatedPlan(pg)
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
