package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"referral/models"
)

// Options say which database to use.
type Options struct {
	DSN              string
	CurrentDSN       func() string // DSN for a connection that is opened now; always DSN when nil
	Schema           string        // of the tables: lower case letters, digits and _; public when empty
	MaxConnections   int
	StatementTimeout time.Duration    // none when zero
	Silence          time.Duration    // after which a server is asked whether it still answers; 15 s when zero
	ReadOnly         bool             // the database refuses every write
	Now              func() time.Time // defaults to time.Now

	// RehearsalFault is called for a rehearsed chunk that could not be written to or read
	// from the temporary directory: it is settled again. It may be nil.
	RehearsalFault func(chunk models.ChunkRef, err error)

	// Rejected is called for every statement that the database rejects whatever the data
	// (see [models.ErrStatementRejected]). It may be nil.
	Rejected func(sqlState string)
	// Limited is called for every statement and connection that fails because the database
	// has reached one of its [LimitStates]. It may be nil.
	Limited func(sqlState string)
}

// Store is the programme's database. It is safe for concurrent use.
type Store struct {
	sql            *sql.DB
	gorm           *gorm.DB
	now            func() time.Time
	rehearsalCache rehearsalCache
	terms          atomic.Pointer[string] // digest of those that this process has adopted

	topics atomic.Pointer[topicNumbers] // as far as this process has needed them

	schema    schemaName
	idle      int // connections kept
	readOnly  bool
	unfit     atomic.Bool // when it was last looked at
	dial      *dial
	direct    pgconn.AfterConnectFunc // the usual settings, before anything is made read-only
	unlimited pgconn.AfterConnectFunc // of a migration, which may build an index for hours
}

// Open prepares the connections. It does not connect yet, so that a service may start
// before its database.
func Open(o Options) (*Store, error) {
	d, err := newDial(&o)
	if err != nil {
		return nil, err
	}
	schema := schemaName(cmp.Or(o.Schema, string(public)))
	db := d.pool(settings(schema, o.StatementTimeout, o.ReadOnly))
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
	return &Store{
		sql: db, gorm: g, now: now, schema: schema, rehearsalCache: rehearsalCache{fault: o.RehearsalFault, room: rehearsalMemory}, idle: idle,
		readOnly: o.ReadOnly, dial: d, direct: settings(schema, o.StatementTimeout, false), unlimited: settings(schema, 0, false),
	}, nil
}

// LimitStates is the SQLSTATE of each limit of a database that a statement may come upon,
// and that may not be there the next time: disk, memory, connections, time.
func LimitStates() []string { return []string{"53100", "53200", "53300", "57014"} }

// onError reports rejections and limits, and otherwise does what the driver does. A session
// that is read-only is closed: it may have been opened before the database was made
// writable again.
func onError(usual pgconn.PgErrorHandler, rejected, limited func(sqlState string)) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if state, lasting := models.RejectedState(err); lasting && !outdatedPlan(err) && rejected != nil {
			rejected(state)
		}
		if slices.Contains(LimitStates(), err.Code) && limited != nil {
			limited(err.Code)
		}
		return usual(conn, err) && err.Code != readOnlyTransaction
	}
}

const readOnlyTransaction = "25006"

// oneConnectionANode has Citus use one connection to each node in a transaction. With
// several, what one has written is not seen by the others, each has a snapshot of its own,
// and each takes part in the commit. A PostgreSQL without Citus keeps the settings and does
// nothing with them.
const oneConnectionANode = "SET citus.multi_shard_modify_mode = 'sequential'; SET citus.max_adaptive_executor_pool_size = 1"

// settings are made once a connection is open: a pooler refuses them as start
// parameters. A timeout of zero is none. It is also how long a transaction may wait for
// its program: one that is paused, or whose machine is cut off, would hold its locks
// without end. The server ends the idle sessions of a machine that is gone within half a
// minute.
func settings(schema schemaName, timeout time.Duration, readOnly bool) pgconn.AfterConnectFunc {
	set := fmt.Sprintf("SET statement_timeout = %d; SET idle_in_transaction_session_timeout = %[1]d; SET default_transaction_isolation = 'read committed'; %[2]s",
		timeout.Milliseconds(), oneConnectionANode+"; SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")
	if schema != public { // a search_path that leads elsewhere than to public is a mistake, and refused
		set += "; SET search_path = " + string(schema)
	}
	if readOnly {
		set += "; SET default_transaction_read_only = on"
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error { return conn.Exec(ctx, set).Close() }
}

// Close gives the connections back.
func (s *Store) Close() error { return errors.Join(s.sql.Close(), s.rehearsalCache.close()) }

// Ping asks the database whether it answers.
func (s *Store) Ping(ctx context.Context) error { return s.sql.PingContext(ctx) }
