package publisher

import (
	"context"
	"maps"

	"github.com/segmentio/kafka-go"

	"referral/internal/sleep"
	"referral/models"
)

// document is what an adjustment and a package have in common here.
type document struct {
	account int64
	id      models.UUID
}

// chunk is one chunk being published.
type chunk struct {
	stream *documents
	docs   models.ChunkDocuments
	rest   leftover // what is still to go out; nil when all of it
	left   leftover // what does not go out this time

	headers []kafka.Header // of all its messages
}

// load reads a chunk; whole is false while less is there than its run has posted. In a
// distributed database a commit becomes visible node by node, so the chunk is read a few
// times before it counts as incomplete.
func (c *chunk) load(ctx context.Context, ref models.ChunkRef) (whole bool, err error) {
	if c.stream.incomplete.waits(ref) {
		return false, nil
	}
	waits := sleep.Backoff(c.stream.options.RetryMin, c.stream.options.RetryMax)
	for try := 1; ; try++ {
		err := c.stream.ask(ctx, "loading a chunk", func(ctx context.Context) (err error) {
			c.docs, err = c.stream.ledger.LoadChunk(ctx, ref)
			return err
		})
		if err != nil {
			return false, err
		}
		if !c.docs.Size().Lacks(c.docs.Posted) {
			c.stream.incomplete.clear(ref)
			return true, nil
		}
		if try == maxLoads {
			c.stream.incomplete.note(&c.docs)
			return false, nil
		}
		if !sleep.Next(ctx, waits) {
			return false, context.Cause(ctx)
		}
	}
}

// send sends the chunk's documents: first the adjustments, then the packages, so
// that an account whose adjustment is refused keeps its packages back too.
func (c *chunk) send(ctx context.Context) error {
	wanted := c.filter()
	adjustment := func(i int) document { return document{c.docs.Adjustments[i].AccountID, c.docs.Adjustments[i].ID} }
	err := c.sendPart(ctx, part{
		topic: c.stream.options.Topics.Discounts, kind: AdjustmentType, len: len(c.docs.Adjustments), at: adjustment,
		write: func(dst []byte, i int) ([]byte, error) {
			a := &c.docs.Adjustments[i]
			if a.Damage != nil {
				return dst, a.Damage
			}
			return c.stream.encoder.AppendAdjustment(dst, c.docs.PostedAt, a), nil
		},
	}, wanted)
	if err != nil {
		return err
	}
	smsPackage := func(i int) document { return document{c.docs.Packages[i].AccountID, c.docs.Packages[i].ID} }
	return c.sendPart(ctx, part{
		topic: c.stream.options.Topics.Packages, kind: PackageType, len: len(c.docs.Packages), at: smsPackage,
		write: func(dst []byte, i int) ([]byte, error) {
			return c.stream.encoder.AppendPackage(dst, c.docs.PostedAt, &c.docs.Packages[i]), nil
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
	buf := c.stream.buffer()
	for i := range p.len {
		if doc := p.at(i); wanted(doc) {
			buf.add(doc.account, i, c.headers, func(dst []byte) ([]byte, error) { return p.write(dst, i) })
			if len(buf.messages) == 1 {
				buf.reserve(p.len)
			}
		}
	}
	reusable, err := c.stream.sender.send(ctx, p.topic, buf.messages, func(l *message, err error) bool {
		return c.stream.quarantine.refuse(l.hold, p.at(l.row).id.String(), err)
	})
	sent := 0
	for i := range buf.messages {
		if l := &buf.messages[i]; l.sent {
			sent++
		} else {
			c.leave(p.at(l.row))
		}
	}
	c.stream.metrics.published.WithLabelValues(p.topic, p.kind).Add(float64(sent))
	if reusable {
		c.stream.buffers <- buf
	}
	return err
}

// filter tells for each document, in ledger order, whether it is sent now: not what was
// sent before, and nothing of a blocked account.
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
		if c.stream.blocks(doc.account) {
			c.leave(doc)
			return false
		}
		return true
	}
}

// leave notes that a document is not sent; the account's first one counts.
func (c *chunk) leave(doc document) {
	if _, already := c.left[doc.account]; !already {
		c.left[doc.account] = doc.id
	}
}
