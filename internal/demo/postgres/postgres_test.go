package postgres_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/internal/demo/postgres"
)

func start(t *testing.T, o postgres.Options) *postgres.Server {
	t.Helper()
	o.Log = t.Output()
	began := time.Now()
	s, err := postgres.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(began))
	return s
}

func query(t *testing.T, s *postgres.Server, sql string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	var answer string
	if err := conn.QueryRow(ctx, sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func stop(t *testing.T, s *postgres.Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

// openDir is a directory that an unprivileged server can reach; t.TempDir's
// parents are closed to others.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest-*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestTemporaryServerLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	s := start(t, postgres.Options{Settings: map[string]string{"fsync": "off"}})
	if got := query(t, s, "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %q", got)
	}
	if got := query(t, s, "SELECT lower('ПРИВЕТ')"); got != "привет" {
		t.Errorf("lower case of Cyrillic is %q", got)
	}
	stop(t, s)
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWrongPasswordIsRefused(t *testing.T) {
	s := start(t, postgres.Options{})
	defer stop(t, s)
	config, err := pgx.ParseConfig(s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password was accepted")
	}
}

func TestDataSurviveRestartAndKill(t *testing.T) {
	s := start(t, postgres.Options{})
	defer stop(t, s)
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes' AS answer"); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func() error{"a restart": func() error { return nil }, "a kill": s.Kill} {
		if err := errors.Join(end(), s.Restart(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := query(t, s, "SELECT answer FROM kept"); got != "yes" {
			t.Errorf("after %s the table holds %q", name, got)
		}
	}
}

const readyFile = "REFERRAL_TEST_READY_FILE"

// TestStarterProcess is the process that TestServerDiesWithItsStarter kills.
func TestStarterProcess(t *testing.T) {
	file := os.Getenv(readyFile)
	if file == "" {
		return
	}
	s := start(t, postgres.Options{})
	if err := os.WriteFile(file, []byte(s.DSN("postgres")), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

func TestServerDiesWithItsStarter(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	ready := filepath.Join(t.TempDir(), "ready")
	starter := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStarterProcess$", "-test.v")
	starter.Env = append(os.Environ(), readyFile+"="+ready)
	starter.Stdout, starter.Stderr = t.Output(), t.Output()
	starter.WaitDelay = time.Second
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the starter's server starts", func() bool {
		_, err := os.Stat(ready)
		return err == nil
	})
	if err := starter.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait()
	eventually(t, "the server ends by itself", func() bool {
		running, err := filepath.Glob(filepath.Join(os.TempDir(), "*", "data", "postmaster.pid"))
		return err == nil && len(running) == 0
	})
	stop(t, start(t, postgres.Options{})) // which removes what the other one left
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "referral-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 300 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}
