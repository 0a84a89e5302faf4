package subprocess_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"referral/internal/subprocess"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nobody(string) bool { return false }

func TestOnlyDirectoriesOfTheDeadAreSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	alive, err := subprocess.NewTempDir("thing", nobody)
	must(t, err)
	// What a killed process leaves: a lock file that nobody holds.
	dead := filepath.Join(os.TempDir(), "thing-dead")
	must(t, os.Mkdir(dead, 0o700))
	must(t, os.WriteFile(filepath.Join(dead, "owner.lock"), nil, 0o600))
	stranger := filepath.Join(os.TempDir(), "thing-of-somebody-else")
	must(t, os.Mkdir(stranger, 0o700))

	other, err := subprocess.NewTempDir("thing", func(dir string) bool { return dir == dead })
	must(t, err)
	if _, err := os.Stat(dead); err != nil {
		t.Errorf("a directory still in use was swept: %v", err)
	}
	must(t, other.Remove())
	other, err = subprocess.NewTempDir("thing", nobody)
	must(t, err)
	must(t, other.Remove())
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dead process's directory is still there: %v", err)
	}
	for _, dir := range []string{alive.Path, stranger} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("swept by mistake: %v", err)
		}
	}
	must(t, alive.Remove())
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := subprocess.TryLock(path)
	must(t, err)
	if _, err := subprocess.TryLock(path); !errors.Is(err, subprocess.ErrLocked) {
		t.Errorf("the lock was taken twice: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := 0
	if _, err := subprocess.WaitLock(ctx, path, func() { waited++ }); !errors.Is(err, context.DeadlineExceeded) || waited != 1 {
		t.Errorf("waiting ended with %v, said %d times", err, waited)
	}
	must(t, lock.Release())
	lock, err = subprocess.WaitLock(t.Context(), path, func() {})
	must(t, err)
	must(t, lock.Release())
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "" TERM; : > "$0"; while :; do sleep 0.1; done`, ready)
	child, err := subprocess.Start(cmd, syscall.SIGKILL)
	must(t, err)
	for range 100 {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := child.Stop(syscall.SIGTERM, 200*time.Millisecond); err == nil {
		t.Error("that it had to be killed was not said")
	}
	if err := child.Wait(); err == nil {
		t.Error("a killed child ended well")
	}
	must(t, child.Signal(syscall.SIGTERM)) // to the dead: no error
}
