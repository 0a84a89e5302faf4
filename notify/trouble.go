package notify

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// trouble is what fails just now, by what was being done. It logs when something
// begins to fail, ever more rarely while it does, and when it works again.
type trouble struct {
	log   *slog.Logger
	mutex sync.Mutex
	now   map[string]failure
}

type failure struct {
	times int
	err   error
}

func newTrouble(log *slog.Logger) *trouble { return &trouble{log: log, now: map[string]failure{}} }

func (t *trouble) note(what string, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	f := failure{times: t.now[what].times + 1, err: err}
	t.now[what] = f
	if f.times&(f.times-1) == 0 {
		t.log.Error("invitations: something fails, trying again", "what", what, "times", f.times, "error", err)
	}
}

func (t *trouble) clear(what string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if f, ok := t.now[what]; ok {
		delete(t.now, what)
		t.log.Info("invitations: it works again", "what", what, "times", f.times)
	}
}

// err names all that fails; nil when nothing does.
func (t *trouble) err() error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(t.now)) {
		errs = append(errs, fmt.Errorf("notify: %s: %w (times: %d)", what, t.now[what].err, t.now[what].times))
	}
	return errors.Join(errs...)
}

// fails tells whether something fails just now.
func (t *trouble) fails(what string) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	_, ok := t.now[what]
	return ok
}
