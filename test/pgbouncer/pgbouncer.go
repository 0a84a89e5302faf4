// Package pgbouncer puts a real PgBouncer between a test and its PostgreSQL server.
package pgbouncer

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/internal/subprocess"
	"referral/test/toolchain"
)

// The ways to lend out the server's sessions.
const (
	Session     = "session"
	Transaction = "transaction"
	Statement   = "statement"
)

// Start runs a pooler in front of the server of a connection URL, for as long as
// the test does, and returns the URL that leads through it.
func Start(t testing.TB, dsn, mode string) string {
	t.Helper()
	database, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("pgbouncer: the connection string is not a URL") // which may hold a password
	}
	tool, err := toolchain.PgBouncer(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	address, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	pooled := *database
	pooled.Host = address
	server, err := subprocess.StartServer(t.Context(), subprocess.Options{
		Name: "pgbouncer", Unprivileged: true,
		Prepare: func(_ context.Context, dir string) error { return writeConfig(dir, database, mode, address) },
		Command: func(ctx context.Context, dir string) *exec.Cmd {
			return tool.Command(ctx, "pgbouncer", filepath.Join(dir, "pgbouncer.ini"))
		},
		Ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, pooled.String())
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
		Interrupt: syscall.SIGTERM, Abort: syscall.SIGKILL,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Log(err)
		}
	})
	return pooled.String()
}

// writeConfig writes what a pooler of few sessions needs.
func writeConfig(dir string, database *url.URL, mode, address string) error {
	password, _ := database.User.Password()
	host, port, _ := strings.Cut(address, ":")
	users := filepath.Join(dir, "users.txt")
	for file, text := range map[string]string{
		users: fmt.Sprintf("%q %q\n", database.User.Username(), password),
		filepath.Join(dir, "pgbouncer.ini"): fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = %s
default_pool_size = 20
`, database.Hostname(), database.Port(), host, port, users, mode),
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
