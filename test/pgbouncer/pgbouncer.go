// Package pgbouncer puts a real PgBouncer between a test and its PostgreSQL server.
package pgbouncer

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

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

const (
	nobody   = 65534
	patience = 30 * time.Second
)

// Start runs a pooler in front of the server of a connection URL, for as long as
// the test does, and returns the URL that leads through it.
func Start(t testing.TB, dsn, mode string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("pgbouncer: the connection string is not a URL") // which may hold a password
	}
	tool, err := toolchain.PgBouncer(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	port, err := subprocess.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := writeConfig(t, u, mode, port)
	cmd := tool.Command(context.WithoutCancel(t.Context()), "pgbouncer", filepath.Join(dir, "pgbouncer.ini"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 { // as whom it refuses to run
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	process, err := subprocess.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Stop(syscall.SIGTERM, patience); err != nil {
			t.Logf("pgbouncer: %v", err)
		}
	})
	through := *u
	through.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	awaitAnswer(t, process, through.String())
	return through.String()
}

// writeConfig writes what a pooler of few sessions needs. Its directory is open to
// the user that it runs as.
func writeConfig(t testing.TB, server *url.URL, mode string, port int) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgbouncer-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	password, _ := server.User.Password()
	for name, text := range map[string]string{
		"users.txt": fmt.Sprintf("%q %q\n", server.User.Username(), password),
		"pgbouncer.ini": fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = %s
default_pool_size = 20
`, server.Hostname(), server.Port(), port, filepath.Join(dir, "users.txt"), mode),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func awaitAnswer(t testing.TB, process *subprocess.Process, dsn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-process.Done():
			t.Fatalf("pgbouncer has ended: %v", process.Wait())
		case <-ctx.Done():
			t.Fatalf("pgbouncer does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
