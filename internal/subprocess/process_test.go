package subprocess

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWaitLockEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := tryLock(path)
	must(t, err)
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("the lock was taken twice: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := 0
	if _, err := WaitLock(ctx, path, func() { waited++ }); !errors.Is(err, context.DeadlineExceeded) || waited != 1 {
		t.Errorf("waiting ended with %v, said %d times", err, waited)
	}
	must(t, lock.Release())
	lock, err = WaitLock(t.Context(), path, func() {})
	must(t, err)
	must(t, lock.Release())
}

func TestStopKillsAProcessThatIgnoresTheSignal(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap "" TERM; : > "$0"; while :; do sleep 0.1; done`, ready)
	child, err := Start(cmd, syscall.SIGKILL)
	must(t, err)
	for range 100 {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := child.Stop(syscall.SIGTERM, 200*time.Millisecond); err == nil {
		t.Error("that it had to be killed is not an error")
	}
	if err := child.Wait(); err == nil {
		t.Error("a killed child ended without an error")
	}
	must(t, child.Signal(syscall.SIGTERM)) // it has ended: not an error
}
