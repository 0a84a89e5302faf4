// Package renewal keeps what is read from files up to date while the program runs:
// secrets and certificates are replaced without a restart.
package renewal

import (
	"os"
	"slices"
	"sync"
)

// Value is what was read from files. It is safe for concurrent use.
type Value[T any] struct {
	load   func() (T, error)
	files  []string
	report func(error)

	mu     sync.Mutex
	value  T
	seen   []os.FileInfo // of files, before value was read
	failed string        // the last failure that was reported
}

// New reads the value. report hears of every later time that it was read again: nil, or
// why it could not be read, which leaves the value as it was. The same failure is
// reported once.
func New[T any](load func() (T, error), files []string, report func(error)) (*Value[T], error) {
	seen := look(files)
	value, err := load()
	return &Value[T]{load: load, files: files, report: report, value: value, seen: seen}, err
}

// Get is the value, which is read again when one of the files has changed.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := look(v.files)
	if v.failed == "" && slices.EqualFunc(v.seen, now, same) {
		return v.value
	}
	value, err := v.load()
	if err == nil {
		v.value, v.seen, v.failed = value, now, ""
		v.report(nil)
	} else if v.failed != err.Error() {
		v.failed = err.Error()
		v.report(err)
	}
	return v.value
}

// usable is false while the files cannot be used, and the value is an older one.
func (v *Value[T]) usable() bool {
	v.Get()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failed == ""
}

// look is what the files are like; nil for one that cannot be looked at.
func look(files []string) []os.FileInfo {
	found := make([]os.FileInfo, len(files))
	for i, file := range files {
		found[i], _ = os.Stat(file)
	}
	return found
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
