package publisher

import (
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"

	"referral/internal/sleep"
	"referral/models"
)

// maxLoads is how often a chunk is read in a row before it counts as incomplete.
const maxLoads = 5

// incompleteChunks is the chunks of which the ledger shows less than was posted.
// Nothing of such a chunk is sent, and nothing of its accounts that was posted
// later. Each is read again with back-off.
type incompleteChunks struct {
	now      func() time.Time
	min, max time.Duration // of the back-off
	count    prometheus.Gauge
	retrier  *retrier

	mutex   sync.Mutex
	chunks  map[models.ChunkRef]incompleteChunk
	blocked []accountRange // by the chunks that this round has come to
}

type incompleteChunk struct {
	accounts accountRange
	err      error
	waits    retry.Backoff
	next     time.Time
}

type accountRange struct{ from, to int64 }

func newIncompleteChunks(o *Options, m *metrics, r *retrier) *incompleteChunks {
	return &incompleteChunks{
		now: o.Now, min: o.HeldRetryMin / 10, max: o.HeldRetryMax, count: m.incomplete, retrier: r, chunks: map[models.ChunkRef]incompleteChunk{},
	}
}

// begin opens a round. Which accounts are blocked depends on the chunks that have
// come before in it, since those posted earlier must not wait for those posted later.
func (s *incompleteChunks) begin() (chunks int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.blocked = s.blocked[:0]
	return len(s.chunks)
}

// waits tells whether it is too early to read an incomplete chunk again; its accounts
// are blocked for the rest of the round.
func (s *incompleteChunks) waits(ref models.ChunkRef) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	chunk, known := s.chunks[ref]
	if !known || !s.now().Before(chunk.next) {
		return false
	}
	s.blocked = append(s.blocked, chunk.accounts)
	return true
}

// note remembers a chunk as incomplete, and blocks its accounts.
func (s *incompleteChunks) note(docs *models.ChunkDocuments) {
	incomplete := models.IncompleteChunk{Ref: docs.Ref, Posted: docs.Posted, Found: docs.Size()}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	chunk, known := s.chunks[docs.Ref]
	if !known {
		chunk = incompleteChunk{accounts: accountRange{docs.From, docs.To}, waits: sleep.Backoff(s.min, s.max)}
	}
	chunk.err = fmt.Errorf("%s; nothing of it is published until it is whole", incomplete)
	wait, _ := chunk.waits.Next()
	chunk.next = s.now().Add(wait)
	s.chunks[docs.Ref] = chunk
	s.blocked = append(s.blocked, chunk.accounts)
	s.count.Set(float64(len(s.chunks)))
	s.retrier.note(readingWhole(docs.Ref), chunk.err)
}

// clear forgets a chunk that is whole.
func (s *incompleteChunks) clear(ref models.ChunkRef) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, known := s.chunks[ref]; !known {
		return
	}
	delete(s.chunks, ref)
	s.count.Set(float64(len(s.chunks)))
	s.retrier.Report(readingWhole(ref).What, nil)
}

func readingWhole(ref models.ChunkRef) task {
	return task{Kind: doingIncomplete, What: fmt.Sprintf("reading chunk %d of run %d whole", ref.Chunk, ref.RunID)}
}

// blocks tells whether an earlier chunk of this round may have documents of an
// account that are not there yet.
func (s *incompleteChunks) blocks(account int64) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, r := range s.blocked {
		if r.from <= account && account <= r.to {
			return true
		}
	}
	return false
}

// errs says of each chunk what is missing.
func (s *incompleteChunks) errs() []error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var errs []error
	for _, chunk := range s.chunks {
		errs = append(errs, fmt.Errorf("%w: %w", ErrHeld, chunk.err))
	}
	return errs
}

// drop forgets everything: another replica may lead from now on.
func (s *incompleteChunks) drop() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.chunks)
	s.count.Set(0)
}
