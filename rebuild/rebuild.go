// Package rebuild makes the state again from the messages, in a schema of its own, and
// compares it with the live one: whether what is owed follows from what was said.
package rebuild

import (
	"context"
	"fmt"
	"slices"

	"referral/archive"
	"referral/consumer/decode"
	"referral/models"
)

// Ingester is a schema that takes messages.
type Ingester interface {
	Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error)
}

// Target is the schema that is rebuilt.
type Target interface {
	Ingester
	BeginRebuild(ctx context.Context, of string) (fresh bool, err error)
	Import(ctx context.Context, rows []models.Fact, derive models.DeriveFunc) (models.ImportCounts, error)
	RebuiltSegments(ctx context.Context) ([]string, error)
	RecordSegment(ctx context.Context, segment string) error
	RepeatDecisions(ctx context.Context, from string, derive models.DeriveFunc) error
	CopyLedger(ctx context.Context, from string) error
}

// Live is the schema that is rebuilt beside.
type Live interface {
	PortalRequests(ctx context.Context, see func(f models.Fact, late bool) error) error
	ForEachImported(ctx context.Context, see func(models.Fact) error) error
}

// Options is what a rebuild works with. All fields are required.
type Options struct {
	Messages
	Target Target
	Live   Live
	Schema string // of the live tables
}

// Messages is the messages of an archive and how they are taken. All fields are required.
type Messages struct {
	Archive *archive.Reader
	Topics  decode.Topics
	Decoder *decode.Decoder
	Derive  models.DeriveFunc
	// Progress is told how many of the archive's messages of the topics have been taken.
	Progress func(done, all int64)
}

// batchSize is how many messages go into one transaction.
const batchSize = 2000

// Run takes all messages of the archive. One that was ended before its end is continued
// with the segment that it was at: facts are a set, so that taking some twice is harmless.
//
// What an older system told comes first. Then come registrations, because requests to activate a code are judged by them, and
// promo ends, terminations, invoices and answers last. The requests of one account keep
// their order. Those that were made at the personal account, which no topic has, come
// before or after those of the topic, as they did.
func Run(ctx context.Context, o Options) error {
	if _, err := o.Target.BeginRebuild(ctx, o.Schema); err != nil {
		return err
	}
	r := rebuild{Options: o, taking: o.takenInto(o.Target)}
	done, err := o.Target.RebuiltSegments(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		r.imports, r.topic(done, o.Topics.Registered), r.requests(false), r.topic(done, o.Topics.Activation), r.requests(true),
		r.topic(done, o.Topics.PromoEnded), r.topic(done, o.Topics.Terminated), r.topic(done, o.Topics.Invoices), r.topic(done, o.Topics.Results),
		func(ctx context.Context) error { return o.Target.RepeatDecisions(ctx, o.Schema, o.Derive) },
		func(ctx context.Context) error { return o.Target.CopyLedger(ctx, o.Schema) },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type rebuild struct {
	Options
	taking taking
}

// taking takes messages into a schema.
type taking struct {
	Messages
	into      Ingester
	done, all int64
}

func (m Messages) takenInto(into Ingester) taking {
	return taking{Messages: m, into: into, all: m.Archive.Messages(m.Topics.All()...)}
}

// imports takes what an older system told, which no topic has. A repeat changes nothing.
func (r *rebuild) imports(ctx context.Context) error {
	var rows []models.Fact
	send := func() error {
		_, err := r.Target.Import(ctx, rows, r.Derive)
		rows = rows[:0]
		return err
	}
	err := r.Live.ForEachImported(ctx, func(f models.Fact) error {
		if rows = append(rows, f); len(rows) < batchSize {
			return nil
		}
		return send()
	})
	if err == nil && len(rows) > 0 {
		err = send()
	}
	if err != nil {
		return fmt.Errorf("rebuilding from what an older system told: %w", err)
	}
	return nil
}

func (r *rebuild) topic(done []string, topic string) func(context.Context) error {
	return func(ctx context.Context) error {
		return r.taking.topic(ctx, topic, func(s archive.Segment, take func() error) error {
			if slices.Contains(done, s.SHA256) {
				return nil
			}
			if err := take(); err != nil {
				return err
			}
			return r.Target.RecordSegment(ctx, s.SHA256)
		})
	}
}

// topic hands the segments of a topic to each, with what takes them.
func (t *taking) topic(ctx context.Context, topic string, each func(s archive.Segment, take func() error) error) error {
	for _, s := range t.Archive.Of(topic) {
		if err := each(s, func() error { return t.segment(ctx, s) }); err != nil {
			return fmt.Errorf("rebuilding from %s: %w", s.File, err)
		}
		t.done += s.Messages
		t.Progress(t.done, t.all)
	}
	return nil
}

func (t *taking) segment(ctx context.Context, s archive.Segment) error {
	b := batch{ctx: ctx, taking: t}
	err := t.Archive.Read(s, func(m models.Message) error {
		b.taken++
		return b.add(t.Decoder.Decode(m))
	})
	if err == nil {
		err = b.send()
	}
	return err
}

func (r *rebuild) requests(late bool) func(context.Context) error {
	return func(ctx context.Context) error {
		b := batch{ctx: ctx, taking: &r.taking}
		err := r.Live.PortalRequests(ctx, func(f models.Fact, isLate bool) error {
			if isLate != late {
				return nil
			}
			return b.add(models.DecodedMessage{Fact: &f})
		})
		if err == nil {
			err = b.send()
		}
		if err != nil {
			return fmt.Errorf("rebuilding from the requests at the personal account: %w", err)
		}
		return nil
	}
}

// batch collects messages for one transaction.
type batch struct {
	*taking
	ctx      context.Context //nolint:containedctx // it lives for one segment
	messages []models.DecodedMessage
	taken    int64 // of the segment
}

func (b *batch) add(m models.DecodedMessage) error {
	b.messages = append(b.messages, m)
	if len(b.messages) < batchSize {
		return nil
	}
	return b.send()
}

func (b *batch) send() error {
	if len(b.messages) == 0 {
		return nil
	}
	_, err := b.into.Ingest(b.ctx, b.messages, b.Derive)
	b.messages = b.messages[:0]
	b.Progress(b.done+b.taken, b.all)
	return err
}
