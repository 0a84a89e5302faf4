package consumer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// health is what is wrong at the moment, by who noticed it.
type health struct {
	mu    sync.Mutex
	wrong map[string]error
}

func newHealth() *health { return &health{wrong: map[string]error{}} }

// report replaces what was last heard from someone; nil takes it back.
func (h *health) report(from string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.wrong, from)
		return
	}
	h.wrong[from] = err
}

// ready is nil when nothing is wrong, and else names all that is.
func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []error
	for _, from := range slices.Sorted(maps.Keys(h.wrong)) {
		all = append(all, fmt.Errorf("%s: %w", from, h.wrong[from]))
	}
	return errors.Join(all...)
}
