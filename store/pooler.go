package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// poolerRounds is how often two connections behind a pooler are asked whom they
	// have: only a pooler that lends its sessions out ever gives a wrong answer, and
	// by chance it might give right ones for a while.
	poolerRounds   = 20
	poolerPatience = 10 * time.Second
)

// checkPooler refuses a pooler that lends its sessions out for a transaction or a
// statement: the publisher's leadership, the lock of the migrations and prepared
// statements live in a session. A pooler is there when the server's process is not
// the one that was named at the connection's start. It keeps sessions when each
// client has a server process of its own as long as it is connected, which a direct
// connection and session pooling cannot violate.
func checkPooler(ctx context.Context, first *pgx.Conn, config *pgx.ConnConfig) error {
	pid, err := backendOf(ctx, first)
	if err != nil || pid == first.PgConn().PID() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, poolerPatience)
	defer cancel()
	second, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting to the database a second time: %w", err)
	}
	defer closeQuietly(second)
	return compareBackends(ctx, first, second)
}

func compareBackends(ctx context.Context, first, second *pgx.Conn) error {
	seen := map[*pgx.Conn]uint32{}
	for round := range poolerRounds {
		// The order changes, in case the pooler goes through its sessions in turn.
		order := []*pgx.Conn{first, second}
		if round%2 == 1 {
			order = []*pgx.Conn{second, first, first}
		}
		for _, conn := range order {
			pid, err := backendOf(ctx, conn)
			if err != nil {
				return err
			}
			if before, known := seen[conn]; known && before != pid {
				return errPooler
			}
			seen[conn] = pid
		}
		if seen[first] == seen[second] {
			return errPooler
		}
	}
	return nil
}

var errPooler = fmt.Errorf("%w: a pooler lends its sessions out for single transactions or statements; "+
	"set it to session pooling (pgbouncer: pool_mode = session), or name the server itself in database.dsn", ErrUnfit)

func backendOf(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return 0, fmt.Errorf("asking for the server's process: %w", err)
	}
	return pid, nil
}
