package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// connectTimeout is how long a server may take to let a connection in, unless the
// connection string has its own connect_timeout. A machine that is down says nothing, and
// the next server that the string names must have its turn soon.
const connectTimeout = 5 * time.Second

// dial is how the server is reached. Its address, password and certificates may change
// while the program runs.
type dial struct {
	current           func() string
	rejected, limited func(sqlState string)
	silence           time.Duration                  // after which a server is asked whether it still answers
	last              atomic.Pointer[pgx.ConnConfig] // that could be read
}

func newDial(o *Options) (*dial, error) {
	d := &dial{current: o.CurrentDSN, rejected: o.Rejected, limited: o.Limited, silence: cmp.Or(o.Silence, 15*time.Second)}
	if d.current == nil {
		d.current = func() string { return o.DSN }
	}
	config, err := d.parse(o.DSN)
	d.last.Store(config)
	return d, err
}

func (d *dial) parse(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("database.dsn cannot be read: give it as postgres://user:password@host:5432/name")
	}
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["client_encoding"] = "UTF8" // a database may set another one for its clients
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "referral"
	}
	config.OnPgError = onError(config.OnPgError, d.rejected, d.limited)
	config.DialFunc = dialServer(d.silence)
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// config is for a connection that is opened now. The connection string is read every
// time, and with it the files of certificates that it names; while it cannot be read,
// the last one holds.
func (d *dial) config(settings pgconn.AfterConnectFunc) *pgx.ConnConfig {
	if config, err := d.parse(d.current()); err == nil {
		d.last.Store(config)
	}
	config := d.last.Load().Copy()
	config.AfterConnect = settings
	return config
}

// pool opens a connection when one is needed.
func (d *dial) pool(settings pgconn.AfterConnectFunc) *sql.DB {
	return stdlib.OpenDB(*d.config(settings), stdlib.OptionBeforeConnect(func(_ context.Context, config *pgx.ConnConfig) error {
		*config = *d.config(settings)
		return nil
	}))
}
