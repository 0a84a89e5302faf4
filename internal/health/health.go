// Package health tracks what fails at the moment and may pass: for the log, and for
// the readiness of a part of the service.
package health

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Tracker is what fails at the moment, by what was being done. It is safe for
// concurrent use.
type Tracker struct {
	o     Options
	mutex sync.Mutex
	now   map[string]failure
}

// Options is what a tracker says.
type Options struct {
	Prefix string // of what Err says: "publisher: "
	// Log gets a line when something begins to fail, ever more rarely while it does,
	// and when it works again; none when it is nil.
	Log                *slog.Logger
	Failing, Recovered string // messages of these lines
}

type failure struct {
	times int
	err   error
}

// New is a tracker that knows of no failure.
func New(o Options) *Tracker {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Tracker{o: o, now: map[string]failure{}}
}

// Report says that something has failed, perhaps again, or with a nil error that it
// works, whether it has failed or not.
func (t *Tracker) Report(what string, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	f, failed := t.now[what]
	switch {
	case err != nil:
		f = failure{times: f.times + 1, err: err}
		t.now[what] = f
		if f.times&(f.times-1) == 0 {
			t.o.Log.Error(t.o.Failing, "doing", what, "times", f.times, "error", err)
		}
	case failed:
		delete(t.now, what)
		t.o.Log.Info(t.o.Recovered, "doing", what, "times", f.times)
	}
}

// Forget drops what was failing when the work was given up.
func (t *Tracker) Forget() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	clear(t.now)
}

// Err names all that fails; nil when nothing does.
func (t *Tracker) Err() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(t.now)) {
		errs = append(errs, fmt.Errorf("%s%s: %w (times: %d)", t.o.Prefix, what, t.now[what].err, t.now[what].times))
	}
	return errors.Join(errs...)
}
