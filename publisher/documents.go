package publisher

import (
	"context"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"referral/internal/sleep"
	"referral/models"
)

// documents publishes the ledger, chunk by chunk. Chunks that one run posted in a
// row are in the works together, since an account is in one of them at most;
// another run's wait until those posted before are out, but for what is held.
type documents struct {
	*leaderSession
	quarantine *quarantine
	buffers    chan *buffer // that wait to be used again

	mutex sync.Mutex
	left  map[models.ChunkRef]leftover // chunks that are out but for held accounts
}

// leftover is the accounts of a chunk that are held, each with its first document
// that is not out.
type leftover map[int64]models.UUID

// document is what an adjustment and a package have in common here.
type document struct {
	account int64
	id      models.UUID
}

// round publishes what the ledger lists now. more says that it holds more than
// one listing.
func (d *documents) round(ctx context.Context) (more bool, err error) {
	d.quarantine.begin()
	// What stays behind is listed every time, and must not crowd out the rest.
	limit := d.options.ChunkBatch + len(d.left) + d.short.begin()
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
		n := together(refs)
		if err := d.publishRun(ctx, refs[:n]); err != nil {
			return false, err
		}
		refs = refs[n:]
	}
	return full, nil
}

// together is how many of the first chunks may be in the works at once: those that
// one run posted in a row. A document that is published again goes alone, because
// the next one may be of its account.
func together(refs []models.ChunkRef) int {
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
	c := &chunk{documents: d, rest: d.leftOf(ref), left: leftover{}}
	if c.rest != nil && d.allBlocked(c.rest) {
		return nil
	}
	if whole, err := c.load(ctx, ref); err != nil || !whole {
		return err
	}
	if err := c.send(ctx); err != nil {
		return err
	}
	for account := range c.rest {
		if _, still := c.left[account]; !still {
			d.quarantine.release(account)
		}
	}
	return d.settle(ctx, ref, c.left)
}

// load reads a chunk; whole is false while less is there than its run has posted.
// In a distributed database a commit becomes visible node by node, so it is read
// again a few times before that counts as a fault.
func (c *chunk) load(ctx context.Context, ref models.ChunkRef) (whole bool, err error) {
	if c.short.waits(ref) {
		return false, nil
	}
	waits := sleep.Backoff(c.options.RetryMin, c.options.RetryMax)
	for try := 1; ; try++ {
		err := c.ask(ctx, "loading a chunk", func(ctx context.Context) (err error) {
			c.docs, err = c.ledger.LoadChunk(ctx, ref)
			return err
		})
		if err != nil {
			return false, err
		}
		if !c.docs.Size().Lacks(c.docs.Posted) {
			c.short.clear(ref)
			return true, nil
		}
		if try == shortTries {
			c.short.note(&c.docs)
			return false, nil
		}
		if !sleep.Next(ctx, waits) {
			return false, context.Cause(ctx)
		}
	}
}

// settle marks a chunk as published, or remembers who is left in it.
func (d *documents) settle(ctx context.Context, ref models.ChunkRef, left leftover) error {
	if len(left) > 0 {
		d.setLeft(ref, left)
		d.log.Warn("a chunk is out but for held accounts", "run", ref.RunID, "chunk", ref.Chunk, "accounts", len(left))
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
	return d.quarantine.blocks(account) || d.short.blocks(account)
}

// chunk is one chunk being published.
type chunk struct {
	*documents
	docs models.ChunkDocuments
	rest leftover // what is still to go out; nil when all of it
	left leftover // what does not go out this time
}

// send sends the chunk's documents: first the adjustments, then the packages, so
// that an account whose adjustment is refused keeps its packages back too.
func (c *chunk) send(ctx context.Context) error {
	wanted := c.filter()
	adjustment := func(i int) document { return document{c.docs.Adjustments[i].AccountID, c.docs.Adjustments[i].ID} }
	err := c.sendPart(ctx, part{
		topic: c.options.Topics.Discounts, kind: AdjustmentType, len: len(c.docs.Adjustments), at: adjustment,
		write: func(dst []byte, i int) ([]byte, error) {
			a := &c.docs.Adjustments[i]
			if a.Damage != nil {
				return dst, a.Damage
			}
			return c.encoder.AppendAdjustment(dst, c.docs.PostedAt, a), nil
		},
	}, wanted)
	if err != nil {
		return err
	}
	smsPackage := func(i int) document { return document{c.docs.Packages[i].AccountID, c.docs.Packages[i].ID} }
	return c.sendPart(ctx, part{
		topic: c.options.Topics.Packages, kind: PackageType, len: len(c.docs.Packages), at: smsPackage,
		write: func(dst []byte, i int) ([]byte, error) {
			return c.encoder.AppendPackage(dst, c.docs.PostedAt, &c.docs.Packages[i]), nil
		},
	}, wanted)
}

// part is the documents of a chunk that go to one topic.
type part struct {
	topic, kind string
	len         int
	at          func(i int) document
	write       func(dst []byte, i int) ([]byte, error) // an error holds the account
}

func (c *chunk) sendPart(ctx context.Context, p part, wanted func(document) bool) error {
	buf := c.buffer()
	for i := range p.len {
		if doc := p.at(i); wanted(doc) {
			buf.add(doc.account, i, c.headers, func(dst []byte) ([]byte, error) { return p.write(dst, i) })
		}
	}
	reusable, err := c.sender.send(ctx, p.topic, buf.messages, func(l *message, err error) bool {
		return c.quarantine.refuse(l.hold, p.at(l.row).id.String(), err)
	})
	sent := 0
	for i := range buf.messages {
		if l := &buf.messages[i]; l.sent {
			sent++
		} else {
			c.leave(p.at(l.row))
		}
	}
	c.metrics.published.WithLabelValues(p.topic, p.kind).Add(float64(sent))
	if reusable {
		c.buffers <- buf
	}
	return err
}

// filter says of each document, asked in ledger order, whether it goes out now:
// not what is out already, and nothing of a blocked account.
func (c *chunk) filter() func(document) bool {
	out := maps.Clone(c.rest) // accounts whose first document that is not out has not come yet
	return func(doc document) bool {
		if c.rest != nil {
			if _, held := c.rest[doc.account]; !held {
				return false
			}
			if first, waiting := out[doc.account]; waiting && first != doc.id {
				return false
			}
			delete(out, doc.account)
		}
		if c.blocks(doc.account) {
			c.leave(doc)
			return false
		}
		return true
	}
}

// leave notes that a document does not go out; the account's first one counts.
func (c *chunk) leave(doc document) {
	if _, already := c.left[doc.account]; !already {
		c.left[doc.account] = doc.id
	}
}

// buffer is an empty buffer to write on. There is room for one per worker to wait.
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
