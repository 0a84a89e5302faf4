package fakebilling

import (
	"context"
	"fmt"
	"maps"

	"github.com/segmentio/kafka-go"
)

// Totals is what has been booked.
type Totals struct {
	Received   int // messages, repeats included
	Applied    int // adjustments and packages
	Rejected   int
	Unanswered int
	Packages   int              // of the applied ones
	SMS        int              // in those packages
	Amount     map[string]int64 // of the applied adjustments, in minor units, by month posted to ("2026-04")
}

// ledger is what the fake billing knows.
type ledger struct {
	seen   map[string]bool // adjustment and package ids
	totals Totals
}

func newLedger() ledger {
	return ledger{seen: map[string]bool{}, totals: Totals{Amount: map[string]int64{}}}
}

// decided is a posting with its answer.
type decided struct {
	Posting
	Answer
}

// decide answers the postings that were not seen before.
func (r *Billing) decide(postings []Posting) ([]decided, []kafka.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []decided
	var answers []kafka.Message
	inBatch := map[string]bool{}
	for _, p := range postings {
		if r.ledger.seen[p.ID] || inBatch[p.ID] {
			continue
		}
		inBatch[p.ID] = true
		d := decided{p, r.o.Answer(p)}
		fresh = append(fresh, d)
		if d.Status != "" {
			answers = append(answers, d.message())
		}
	}
	return fresh, answers
}

// book enters what has been answered.
func (r *Billing) book(fresh []decided, received int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ledger.totals.Received += received
	for _, d := range fresh {
		r.ledger.seen[d.ID] = true
		r.ledger.totals.count(d)
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

func (t *Totals) count(d decided) {
	switch d.Status {
	case "applied":
		t.Applied++
		t.Amount[d.PostingPeriod] += d.booked()
		if d.SMS > 0 {
			t.Packages++
			t.SMS += d.SMS
		}
	case "rejected":
		t.Rejected++
	default:
		t.Unanswered++
	}
}

// Totals is what has been booked so far.
func (r *Billing) Totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.ledger.totals
	t.Amount = maps.Clone(t.Amount)
	return t
}

// WaitFor waits until n different postings have been decided on, answered or
// not.
func (r *Billing) WaitFor(ctx context.Context, n int) error {
	for {
		r.mu.Lock()
		got, changed := len(r.ledger.seen), r.changed
		r.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-r.done:
			return fmt.Errorf("the fake billing ended after %d of %d postings: %w", got, n, r.err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d postings, %d came: %w", n, got, ctx.Err())
		}
	}
}
