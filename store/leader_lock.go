package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// leadCheck is how often a leader makes sure that it still holds its lock, and
// leadPatience how long it waits for the answer: a database that does not answer may
// have another leader by then.
const (
	leadCheck    = time.Second
	leadPatience = 3 * time.Second
)

// leadIdle is after how long without a word from the leader the server ends its session,
// and with it the lead: a process that is paused, or a machine that is cut off, does not
// end its connections. By then a leader that only lost sight of the database has stopped.
const leadIdle = leadCheck + leadPatience + 2*time.Second

// Lead makes this process the only publisher among all replicas, by a lock that
// lives as long as a database connection. ok is false while another one leads.
// The context returned ends when the lock is lost.
func (s *Store) Lead(ctx context.Context) (led context.Context, release func(), ok bool, err error) {
	conn, err := s.sql.Conn(ctx)
	if err != nil {
		return ctx, nil, false, fmt.Errorf("connecting to the database: %w", err)
	}
	raw, err := pgxConn(conn)
	if err != nil {
		_ = conn.Close()
		return ctx, nil, false, err
	}
	l := leaderLock{conn: conn, raw: raw, key: lockPublisher.in(s.schema), token: rand.Text()}
	if ok, err = l.acquire(ctx); err != nil || !ok {
		_ = conn.Close()
		if err != nil {
			return ctx, nil, false, fmt.Errorf("asking for the publisher's lock: %w", err)
		}
		return ctx, nil, false, nil
	}
	led, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		l.watch(led, cancel)
	}()
	return led, func() {
		cancel()
		<-watched
		l.end()
	}, true, nil
}

// leaderLock is a session that holds the publisher's lock. The token tells it from
// another leader that a pooler has given the same session.
type leaderLock struct {
	conn  *sql.Conn
	raw   *pgx.Conn
	key   int64
	token string
}

func (l leaderLock) acquire(ctx context.Context) (ok bool, err error) {
	err = l.raw.QueryRow(ctx, `SELECT CASE WHEN pg_try_advisory_lock($1) THEN set_config('referral.leader', $2, false) = $2
		AND set_config('idle_session_timeout', $3, false) <> '' ELSE false END`,
		l.key, l.token, strconv.FormatInt(leadIdle.Milliseconds(), 10)).Scan(&ok)
	return ok, err
}

// watch ends the leadership when the session that holds the lock is gone.
func (l leaderLock) watch(ctx context.Context, lost context.CancelFunc) {
	tick := time.NewTicker(leadCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if held, err := l.held(ctx); err != nil || !held {
				lost()
				return
			}
		}
	}
}

// held asks the session whether it has the lock and is still this leader's.
func (l leaderLock) held(ctx context.Context) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, leadPatience)
	defer cancel()
	err = l.raw.QueryRow(ctx, `SELECT coalesce(current_setting('referral.leader', true), '') = $2 AND EXISTS (
		SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
		AND classid = $1::bigint >> 32 AND objid = $1::bigint & 4294967295 AND objsubid = 1)`, l.key, l.token).Scan(&held)
	return held, err
}

// end gives the lock back with its connection. When the connection is broken the
// server has released the lock already.
func (l leaderLock) end() {
	ctx, cancel := context.WithTimeout(context.Background(), leadCheck)
	defer cancel()
	_, _ = l.raw.Exec(ctx, "SELECT pg_advisory_unlock($1), set_config('idle_session_timeout', '0', false)", l.key)
	release(l.conn, l.raw)
}
