package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// quickly is for writes whose loss in a crash of the server would do no harm, or
// that a later commit carries with it: their commit waits for no disk. Selecting
// from it makes the whole statement so.
const quickly = "WITH quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "

// statement runs fn, which is one statement, outside any other transaction: one
// round trip. It is repeated when it met a neighbour.
func (s *Store) statement(ctx context.Context, fn func(*pgx.Conn) error) error {
	for attempt := 1; ; attempt++ {
		err := s.onConnection(ctx, fn)
		if err == nil || attempt == maxAttempts || !neighbourly(err) {
			return classify(err)
		}
		if err := pause(ctx, time.Duration(attempt)*time.Millisecond*time.Duration(1+rand.IntN(10))); err != nil {
			return err
		}
	}
}

func (s *Store) onConnection(ctx context.Context, fn func(*pgx.Conn) error) error {
	conn, err := s.sql.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Close() //nolint:errcheck // gives the connection back to the pool; nothing is pending on it
	raw, err := pgxConn(conn)
	if err != nil {
		return err
	}
	return fn(raw)
}
