package subprocess

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("held by another process")

// Lock is a lock on a file; the kernel releases it when the process dies.
type Lock struct{ file *os.File }

// TryLock takes the lock on path, creating the file, or fails with ErrLocked.
func TryLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closeErr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, errors.Join(err, closeErr))
	}
	return &Lock{file: f}, nil
}

// WaitLock takes the lock on path, calling waiting once if it is not free at once.
func WaitLock(ctx context.Context, path string, waiting func()) (*Lock, error) {
	const pause = 200 * time.Millisecond
	for first := true; ; first = false {
		lock, err := TryLock(path)
		if err == nil || !errors.Is(err, ErrLocked) {
			return lock, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", path, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// Release gives the lock up.
func (l *Lock) Release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}

// TempDir is a temporary directory that a later process removes if this one is
// killed before it could.
type TempDir struct {
	Path string
	lock *Lock
}

const lockName = "owner.lock"

// NewTempDir makes a directory whose name starts with prefix, and removes those
// that killed processes left behind. keep is asked about each of these: it may
// say that something still uses the directory.
func NewTempDir(prefix string, keep func(dir string) bool) (*TempDir, error) {
	sweep(prefix, keep)
	dir, err := os.MkdirTemp("", prefix+"-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	// Locked before it gets its name: a lock file that exists and is free
	// always means that the owner is dead.
	early := filepath.Join(dir, lockName+".new")
	lock, err := TryLock(early)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Rename(early, filepath.Join(dir, lockName)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock a temporary directory: %w", err), lock.Release(), os.RemoveAll(dir))
	}
	return &TempDir{Path: dir, lock: lock}, nil
}

// Remove deletes the directory.
func (d *TempDir) Remove() error {
	if err := os.RemoveAll(d.Path); err != nil {
		return errors.Join(fmt.Errorf("remove temporary directory: %w", err), d.lock.Release())
	}
	return d.lock.Release()
}

// sweep removes what it can; what it cannot, such as another user's directory,
// is not this process's to remove.
func sweep(prefix string, keep func(dir string) bool) {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"-*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, lockName)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || keep(dir) {
			continue
		}
		lock, err := TryLock(path)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir)
		_ = lock.Release()
	}
}
