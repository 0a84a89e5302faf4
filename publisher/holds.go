package publisher

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// holds remembers what cannot go out because the broker refuses a message for
// ever, or because it cannot be written: an account with all its later messages, so that their order holds, or a
// single set-aside message. Others are not held up by it. Every hold is tried
// again with back-off, for the topic's limit may have been raised.
type holds struct {
	stream   string // documents, announcements or set-asides
	now      func() time.Time
	log      *slog.Logger
	min, max time.Duration
	most     int
	count    prometheus.Gauge
	named    *prometheus.GaugeVec

	mutex sync.Mutex
	held  map[int64]*hold
}

type hold struct {
	document string // the first message that was refused
	err      error
	tries    int
	next     time.Time // of trying again
	blocked  bool      // false during the attempt to try again
}

// mostNamed bounds the labels of the metric that names what is held; the log
// names everything.
const mostNamed = 50

// begin opens a round: those whose time has come may try again. The set is fixed
// for the round, since an account that came free in the middle of it would send a
// later document before an earlier one.
func (h *holds) begin() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	now := h.now()
	for _, held := range h.held {
		held.blocked = now.Before(held.next)
	}
}

// blocks tells whether nothing may be sent for an id in this round.
func (h *holds) blocks(id int64) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	held := h.held[id]
	return held != nil && held.blocked
}

// refuse holds an id because of one of its documents; false when no more can be
// held: where so much is refused, the fault lies in the topic rather than in the
// messages.
func (h *holds) refuse(id int64, document string, err error) bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	held := h.held[id]
	if held == nil {
		if len(h.held) >= h.most {
			return false
		}
		held = &hold{}
		h.held[id] = held
		h.count.Inc()
	}
	h.unname(id, held)
	held.document, held.err, held.blocked = document, err, true
	held.tries++
	held.next = h.now().Add(backoff(held.tries, h.min, h.max))
	h.name(id, held)
	h.log.Error("a message is refused for ever and holds back what follows it",
		"stream", h.stream, "id", id, "document", document, "tries", held.tries, "next", held.next, "error", err)
	return true
}

// release lets an id go: what was refused has been sent.
func (h *holds) release(id int64) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	held := h.held[id]
	if held == nil {
		return
	}
	delete(h.held, id)
	h.count.Dec()
	h.unname(id, held)
	h.log.Info("what was held has been sent", "stream", h.stream, "id", id, "document", held.document)
}

// drop forgets everything: another replica may lead from now on.
func (h *holds) drop() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for id, held := range h.held {
		h.unname(id, held)
		h.count.Dec()
	}
	clear(h.held)
}

// errs says of each hold what is held and why.
func (h *holds) errs() []error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var errs []error
	for id, held := range h.held {
		errs = append(errs, fmt.Errorf("%w: %s %d from document %s on: %w", ErrHeld, h.stream, id, held.document, held.err))
	}
	return errs
}

func (h *holds) name(id int64, held *hold) {
	if len(h.held) <= mostNamed {
		h.named.WithLabelValues(h.stream, strconv.FormatInt(id, 10), held.document).Set(1)
	}
}

func (h *holds) unname(id int64, held *hold) {
	h.named.DeleteLabelValues(h.stream, strconv.FormatInt(id, 10), held.document)
}
