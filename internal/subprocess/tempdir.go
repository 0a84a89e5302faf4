package subprocess

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// tempDir is a temporary directory that a later process removes if this one is
// killed before it could.
type tempDir struct {
	path string
	lock *Lock
}

const lockName = "owner.lock"

// newTempDir makes a directory whose name starts with prefix, and removes those
// that killed processes left behind.
func newTempDir(prefix string) (*tempDir, error) {
	sweep(prefix)
	dir, err := os.MkdirTemp("", prefix+"-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	// Locked before it gets its name: a lock file that exists and is free
	// always means that the owner is dead.
	early := filepath.Join(dir, lockName+".new")
	lock, err := tryLock(early)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Rename(early, filepath.Join(dir, lockName)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock a temporary directory: %w", err), lock.Release(), os.RemoveAll(dir))
	}
	return &tempDir{path: dir, lock: lock}, nil
}

// remove deletes the directory.
func (d *tempDir) remove() error {
	if err := os.RemoveAll(d.path); err != nil {
		return errors.Join(fmt.Errorf("remove temporary directory: %w", err), d.lock.Release())
	}
	return d.lock.Release()
}

// sweep removes what it can; what it cannot, such as another user's directory,
// is not this process's to remove.
func sweep(prefix string) {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"-*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, lockName)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		lock, err := tryLock(path)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(dir)
		_ = lock.Release()
	}
}
