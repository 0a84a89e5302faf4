// Package fakebilling takes the place of billing in the demo and in tests: it books
// the adjustments and packages that the programme posts, each once, and answers
// that it has applied them.
package fakebilling

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Options is what the fake billing needs.
type Options struct {
	Brokers   []string
	Group     string // consumer group
	Discounts string // topic of the adjustments
	Packages  string // topic of the packages
	Results   string // topic of the answers
}

// Totals is what has been booked.
type Totals struct {
	Adjustments int
	Packages    int
	SMS         int              // in the packages
	Amount      map[string]int64 // of the adjustments, in minor units, by month posted to ("2026-04")
}

// Billing answers until it is stopped.
type Billing struct {
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}
	err    error // why it ended; read after done

	mu      sync.Mutex
	seen    map[string]bool // adjustment and package ids
	totals  Totals
	changed chan struct{} // closed and replaced whenever something is booked
}

// Start begins to answer everything on the topics, from their beginning unless
// the group has been there before. The topics must exist.
func Start(ctx context.Context, o Options) (*Billing, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.ConsumerGroup(o.Group),
		kgo.ConsumeTopics(o.Discounts, o.Packages), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.DefaultProduceTopic(o.Results))
	if err != nil {
		return nil, fmt.Errorf("start the fake billing: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &Billing{
		client: client, stop: cancel, done: make(chan struct{}), changed: make(chan struct{}),
		seen: map[string]bool{}, totals: Totals{Amount: map[string]int64{}},
	}
	go func() {
		defer close(b.done)
		b.err = b.run(ctx)
		client.Close()
	}()
	return b, nil
}

// Stop ends the answering and returns the error that had ended it before, if any.
func (b *Billing) Stop() error {
	b.stop()
	<-b.done
	return b.err
}

func (b *Billing) run(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := b.client.PollFetches(ctx)
		err := fetches.Err()
		if err == nil {
			err = b.answer(ctx, fetches.Records())
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the fake billing has ended: %w", err)
		}
	}
	return nil
}

// answer answers a batch and only then commits it: what is read again after a crash
// is answered again, with the same events.
func (b *Billing) answer(ctx context.Context, batch []*kgo.Record) error {
	fresh := map[string]posting{}
	var answers []*kgo.Record
	for _, record := range batch {
		p, err := readPosting(record)
		if err != nil {
			return fmt.Errorf("posting at %s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
		}
		if _, repeated := fresh[p.id]; repeated || b.seen[p.id] {
			continue
		}
		fresh[p.id] = p
		answers = append(answers, p.answer())
	}
	if err := b.client.ProduceSync(ctx, answers...).FirstErr(); err != nil {
		return fmt.Errorf("answer postings: %w", err)
	}
	if err := b.client.CommitRecords(ctx, batch...); err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	b.book(fresh)
	return nil
}

func (b *Billing) book(fresh map[string]posting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range fresh {
		b.seen[id] = true
		if p.sms > 0 {
			b.totals.Packages++
			b.totals.SMS += p.sms
		} else {
			b.totals.Adjustments++
			b.totals.Amount[p.period] += p.amount
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// Totals is what has been booked so far.
func (b *Billing) Totals() Totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.totals
	t.Amount = maps.Clone(t.Amount)
	return t
}

// WaitFor waits until n different postings have been booked.
func (b *Billing) WaitFor(ctx context.Context, n int) error {
	for {
		b.mu.Lock()
		got, changed := len(b.seen), b.changed
		b.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-b.done:
			return fmt.Errorf("after %d of %d postings: %w", got, n, b.err)
		case <-ctx.Done():
			return fmt.Errorf("wait for %d postings, %d came: %w", n, got, ctx.Err())
		}
	}
}
