package postgres_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

func TestDataSurviveRestart(t *testing.T) {
	dir := filepath.Join(openDir(t), "data")
	s := start(t, postgres.Options{Dir: dir})
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes' AS answer"); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Start(t.Context(), postgres.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second server on the same directory: %v", err)
	}
	stop(t, s) // with a client connected

	s = start(t, postgres.Options{Dir: dir})
	defer stop(t, s)
	if got := query(t, s, "SELECT answer FROM kept"); got != "yes" {
		t.Errorf("after a restart the table holds %q", got)
	}
}

const helperDir = "REFERRAL_TEST_HELPER_DIR"

// TestHelperServer is the process that TestServerDiesWithItsStarter kills.
func TestHelperServer(t *testing.T) {
	dir := os.Getenv(helperDir)
	if dir == "" {
		return
	}
	start(t, postgres.Options{Dir: dir})
	if err := os.WriteFile(dir+".ready", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

func TestServerDiesWithItsStarter(t *testing.T) {
	dir := filepath.Join(openDir(t), "data")
	helper := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperServer$", "-test.v")
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	helper.Stdout, helper.Stderr = t.Output(), t.Output()
	helper.WaitDelay = time.Second
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the helper's server starts", func() bool {
		_, err := os.Stat(dir + ".ready")
		return err == nil
	})
	if err := helper.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	eventually(t, "the server ends by itself", func() bool {
		_, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid"))
		return os.IsNotExist(err)
	})
	stop(t, start(t, postgres.Options{Dir: dir}))
}

func TestStalePidFileIsCleared(t *testing.T) {
	dir := filepath.Join(openDir(t), "data")
	stop(t, start(t, postgres.Options{Dir: dir}))
	stranger := exec.CommandContext(t.Context(), "sleep", "60")
	if os.Geteuid() == 0 {
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	pid := []byte(strconv.Itoa(stranger.Process.Pid) + "\n" + filepath.Join(dir, "data") + "\n")
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), pid, 0o644); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, postgres.Options{Dir: dir}))
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
