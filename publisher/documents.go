package publisher

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"referral/internal/tracing"
	"referral/models"
)

// documents publishes the ledger, chunk by chunk. Chunks that one run posted in a
// row are published together, because an account is in one of them at most. Those of
// another run wait until the earlier ones are published, except for what is held.
type documents struct {
	*leaderSession
	quarantine *quarantine
	buffers    chan *buffer // that wait to be used again

	mutex sync.Mutex
	left  map[models.ChunkRef]leftover // chunks that are published except for held accounts
}

// leftover is the accounts of a chunk that are held, each with its first document
// that is not out.
type leftover map[int64]models.UUID

// round publishes what the ledger lists now. more says that it holds more than
// one listing.
func (d *documents) round(ctx context.Context) (more bool, err error) {
	if d.options.Shadow {
		return false, nil
	}
	d.quarantine.begin()
	// What is held is listed every time, and must not crowd out the rest.
	limit := d.options.ChunkBatch + len(d.left) + d.incomplete.begin()
	var refs []models.ChunkRef
	err = d.ask(ctx, "listing the chunks to publish", func(ctx context.Context) (err error) {
		refs, err = d.ledger.UnpublishedChunks(ctx, limit)
		return err
	})
	if err != nil {
		return false, err
	}
	full := len(refs) == limit
	for len(refs) > 0 {
		n := sameRun(refs)
		if err := d.publishRun(ctx, refs[:n]); err != nil {
			return false, err
		}
		refs = refs[n:]
	}
	return full, nil
}

// sameRun is how many of the first chunks may be in progress at once: those that
// one run posted in a row. A document that is published again goes alone, because
// the next one may be of its account.
func sameRun(refs []models.ChunkRef) int {
	n := 1
	for n < len(refs) && refs[0].Resend == 0 && refs[n].RunID == refs[0].RunID {
		n++
	}
	return n
}

// publishRun publishes chunks that one run posted in a row, several at once.
func (d *documents) publishRun(ctx context.Context, refs []models.ChunkRef) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(d.options.Workers)
	for _, ref := range refs {
		group.Go(func() error { return d.retrier.guard.Do(func() error { return d.publishChunk(ctx, ref) }) })
	}
	return group.Wait()
}

func (d *documents) publishChunk(ctx context.Context, ref models.ChunkRef) error {
	c := &chunk{stream: d, rest: d.leftOf(ref), left: leftover{}}
	if c.rest != nil && d.allBlocked(c.rest) {
		return nil
	}
	if whole, err := c.load(ctx, ref); err != nil || !whole {
		return err
	}
	ctx, span := tracing.Start(ctx, tracing.Producer, "publish documents", tracing.Context(c.docs.Trace))
	span.Number("messaging.batch.message_count", int64(len(c.docs.Adjustments)+len(c.docs.Packages)))
	err := d.publishLoaded(ctx, ref, c)
	span.End(err)
	return err
}

// publishLoaded publishes the documents of a chunk that was loaded.
func (d *documents) publishLoaded(ctx context.Context, ref models.ChunkRef, c *chunk) error {
	c.headers = d.traced(ctx)
	if err := c.send(ctx); err != nil {
		return err
	}
	for account := range c.rest {
		if _, still := c.left[account]; !still {
			d.quarantine.release(account)
		}
	}
	return d.finish(ctx, ref, c.left)
}

// finish marks a chunk as published, or remembers who is left in it.
func (d *documents) finish(ctx context.Context, ref models.ChunkRef, left leftover) error {
	if len(left) > 0 {
		d.setLeft(ref, left)
		d.log.WarnContext(ctx, "a chunk is published except for held accounts", "run", ref.RunID, "chunk", ref.Chunk, "accounts", len(left))
		return nil
	}
	err := d.keep(ctx, "marking a chunk as published", func(ctx context.Context) error {
		return d.ledger.MarkPublished(ctx, ref, d.options.Now())
	})
	if err == nil {
		d.setLeft(ref, nil)
	}
	return err
}

func (d *documents) leftOf(ref models.ChunkRef) leftover {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.left[ref]
}

func (d *documents) setLeft(ref models.ChunkRef, left leftover) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if left == nil {
		delete(d.left, ref)
		return
	}
	d.left[ref] = left
}

func (d *documents) allBlocked(left leftover) bool {
	for account := range left {
		if !d.blocks(account) {
			return false
		}
	}
	return true
}

// blocks tells whether nothing of an account may be sent in this round: it is held,
// or an earlier chunk may have documents of it that are not there yet.
func (d *documents) blocks(account int64) bool {
	return d.quarantine.blocks(account) || d.incomplete.blocks(account)
}

// buffer is an empty buffer, used again if one is free.
func (d *documents) buffer() *buffer {
	select {
	case buf := <-d.buffers:
		buf.reset()
		return buf
	default:
		return &buffer{}
	}
}

func newDocuments(s *leaderSession) *documents {
	return &documents{
		leaderSession: s, quarantine: s.newQuarantine(streamDocuments), left: map[models.ChunkRef]leftover{},
		buffers: make(chan *buffer, s.options.Workers),
	}
}
