package subprocess

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// script is a server that makes a file when it is ready, and ends on SIGTERM.
func script(text string) Options {
	var ready string
	return Options{
		Name:    "thing",
		Prepare: func(_ context.Context, dir string) error { ready = filepath.Join(dir, "ready"); return nil },
		Command: func(ctx context.Context, _ string) *exec.Cmd {
			_ = os.Remove(ready) // of the start before
			return exec.CommandContext(ctx, "sh", "-c", text)
		},
		Ready:     func(context.Context) error { _, err := os.Stat(ready); return err },
		Interrupt: syscall.SIGTERM, Abort: syscall.SIGKILL,
	}
}

const serving = `echo started >> starts; : > ready; while :; do sleep 0.05; done`

func TestServerKeepsItsFilesUntilItIsStopped(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := StartServer(t.Context(), script(serving))
	must(t, err)
	must(t, s.Restart(t.Context()))
	must(t, s.Kill())
	must(t, s.Restart(t.Context()))
	starts, err := os.ReadFile(filepath.Join(s.dir.path, "starts"))
	must(t, err)
	if got := strings.Count(string(starts), "started"); got != 3 {
		t.Errorf("started %d times on the same files, want 3", got)
	}
	must(t, s.Stop())
	nothingLeft(t)
}

func TestServerThatEndsTooEarlyIsAnErrorWithItsLog(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	_, err := StartServer(t.Context(), script("echo no such setting >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "no such setting") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the error is %v", err)
	}
	nothingLeft(t)
}

func TestServerThatCannotBePreparedLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o, failed := script(serving), errors.New("no configuration")
	o.Prepare = func(context.Context, string) error { return failed }
	if _, err := StartServer(t.Context(), o); !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
	nothingLeft(t)
}

func nothingLeft(t *testing.T) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDirectoriesOfKilledProcessesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	alive, err := newTempDir("thing")
	must(t, err)
	// What a killed process leaves: a lock file that nobody holds.
	dead := filepath.Join(os.TempDir(), "thing-dead")
	must(t, os.Mkdir(dead, 0o700))
	must(t, os.WriteFile(filepath.Join(dead, lockName), nil, 0o600))
	foreign := filepath.Join(os.TempDir(), "thing-of-another-program")
	must(t, os.Mkdir(foreign, 0o700))

	other, err := newTempDir("thing")
	must(t, err)
	must(t, other.remove())
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dead process's directory is still there: %v", err)
	}
	for _, dir := range []string{alive.path, foreign} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("removed by mistake: %v", err)
		}
	}
	must(t, alive.remove())
}
