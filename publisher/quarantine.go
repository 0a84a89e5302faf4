package publisher

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"

	"referral/internal/sleep"
)

// quarantine is what cannot be published because the broker refuses a message
// permanently, or because the message cannot be encoded: an account with all its later
// messages, so that their order is kept, or a single dead letter. Others are published.
// What is held is retried with back-off, because the topic's limit may have been raised.
type quarantine struct {
	stream   string // documents, events or dead-letters
	now      func() time.Time
	log      *slog.Logger
	min, max time.Duration
	most     int
	count    prometheus.Gauge
	named    *prometheus.GaugeVec

	mutex sync.Mutex
	held  map[int64]*heldItem
}

type heldItem struct {
	document string // the first message that was refused
	err      error
	tries    int
	waits    retry.Backoff
	next     time.Time // of trying again
	blocked  bool      // false during the attempt to try again
}

// mostNamed bounds the labels of the metric that names what is held; the log
// names everything.
const mostNamed = 50

// begin opens a round: those whose time has come may try again. The set is fixed
// for the round, since an account that came free in the middle of it would send a
// later document before an earlier one.
func (q *quarantine) begin() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	now := q.now()
	for _, held := range q.held {
		held.blocked = now.Before(held.next)
	}
}

// blocks tells whether nothing may be sent for an id in this round.
func (q *quarantine) blocks(id int64) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	held := q.held[id]
	return held != nil && held.blocked
}

// refuse holds an id because of one of its documents; false when no more can be
// held: when so many are refused, it is the topic that is wrong, not the messages.
func (q *quarantine) refuse(id int64, document string, err error) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	held := q.held[id]
	if held == nil {
		if len(q.held) >= q.most {
			return false
		}
		held = &heldItem{waits: sleep.Backoff(q.min, q.max)}
		q.held[id] = held
		q.count.Inc()
	}
	q.unname(id, held)
	held.document, held.err, held.blocked = document, err, true
	held.tries++
	wait, _ := held.waits.Next()
	held.next = q.now().Add(wait)
	q.name(id, held)
	q.log.Error("a message is refused permanently and holds back what follows it",
		"stream", q.stream, "id", id, "document", document, "tries", held.tries, "next", held.next, "error", err)
	return true
}

// release lets an id go: what was refused has been sent.
func (q *quarantine) release(id int64) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	held := q.held[id]
	if held == nil {
		return
	}
	delete(q.held, id)
	q.count.Dec()
	q.unname(id, held)
	q.log.Info("what was held has been sent", "stream", q.stream, "id", id, "document", held.document)
}

// drop forgets everything: another replica may lead from now on.
func (q *quarantine) drop() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for id, held := range q.held {
		q.unname(id, held)
		q.count.Dec()
	}
	clear(q.held)
}

// errs has an error for each thing that is held.
func (q *quarantine) errs() []error {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	var errs []error
	for id, held := range q.held {
		errs = append(errs, fmt.Errorf("%w: %s %d from document %s on: %w", ErrHeld, q.stream, id, held.document, held.err))
	}
	return errs
}

func (q *quarantine) name(id int64, held *heldItem) {
	if len(q.held) <= mostNamed {
		q.named.WithLabelValues(q.stream, strconv.FormatInt(id, 10), held.document).Set(1)
	}
}

func (q *quarantine) unname(id int64, held *heldItem) {
	q.named.DeleteLabelValues(q.stream, strconv.FormatInt(id, 10), held.document)
}
