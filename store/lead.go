package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// leadCheck is how often a leader makes sure that it still holds its lock, and
// leadPatience how long it waits for the answer: a database that falls silent may
// have let another one lead.
const (
	leadCheck    = time.Second
	leadPatience = 3 * time.Second
)

// Lead makes this process the only publisher among all replicas, by a lock that
// lives as long as a database connection. ok is false while another one leads.
// The context returned ends when the lock is lost.
func (s *Store) Lead(ctx context.Context) (led context.Context, release func(), ok bool, err error) {
	conn, err := s.sql.Conn(ctx)
	if err != nil {
		return ctx, nil, false, fmt.Errorf("connecting to the database: %w", err)
	}
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(lockPublisher)).Scan(&ok); err != nil || !ok {
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
		watch(led, cancel, conn)
	}()
	return led, func() {
		cancel()
		<-watched
		unlock(conn)
	}, true, nil
}

// watch ends the leadership when the connection that holds the lock is gone.
func watch(ctx context.Context, lost context.CancelFunc, conn *sql.Conn) {
	tick := time.NewTicker(leadCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := ping(ctx, conn); err != nil {
				lost()
				return
			}
		}
	}
}

func ping(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, leadPatience)
	defer cancel()
	return conn.PingContext(ctx)
}

// unlock gives the lock back with its connection. When the connection is broken
// the server has released the lock already.
func unlock(conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), leadCheck)
	defer cancel()
	_, _ = conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lockPublisher))
	_ = conn.Close()
}
