// Package trouble keeps what fails just now and may pass: for the log, and for
// whoever asks whether a part of the service is ready.
package trouble

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Board is what fails just now, by what was being done. It logs when something
// begins to fail, ever more rarely while it does, and when it works again. It is
// safe for concurrent use.
type Board struct {
	log   *slog.Logger
	words Words
	mutex sync.Mutex
	now   map[string]failure
}

// Words are what a board says.
type Words struct {
	Part         string // of the service, for Err: "publisher"
	Fails, Works string // lines of the log
}

type failure struct {
	times int
	err   error
}

// New is an empty board.
func New(log *slog.Logger, words Words) *Board {
	return &Board{log: log, words: words, now: map[string]failure{}}
}

// Note says that something has failed, perhaps once more.
func (b *Board) Note(what string, err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	f := failure{times: b.now[what].times + 1, err: err}
	b.now[what] = f
	if f.times&(f.times-1) == 0 {
		b.log.Error(b.words.Fails, "doing", what, "times", f.times, "error", err)
	}
}

// Clear says that something works, whether it has failed or not.
func (b *Board) Clear(what string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if f, ok := b.now[what]; ok {
		delete(b.now, what)
		b.log.Info(b.words.Works, "doing", what, "times", f.times)
	}
}

// Forget drops what was failing when the work was given up.
func (b *Board) Forget() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	clear(b.now)
}

// Err names all that fails; nil when nothing does.
func (b *Board) Err() error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(b.now)) {
		errs = append(errs, fmt.Errorf("%s: %s: %w (times: %d)", b.words.Part, what, b.now[what].err, b.now[what].times))
	}
	return errors.Join(errs...)
}

// Fails tells whether something fails.
func (b *Board) Fails(what string) bool {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	_, ok := b.now[what]
	return ok
}
