package consumer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"referral/models"
)

func TestPortion(t *testing.T) {
	const full = 100
	fails := func(p *batchSize) { p.fails(p.size) }
	refuses := func(p *batchSize) { p.refuses(p.size) }
	succeeds := (*batchSize).succeeds
	for _, c := range []struct {
		name  string
		steps []func(*batchSize)
		want  []int // sizes after each
	}{
		{"two failures change nothing", []func(*batchSize){fails, fails}, []int{100, 100}},
		{"the third halves, and each one after it", []func(*batchSize){fails, fails, fails, fails, fails}, []int{100, 100, 50, 25, 12}},
		{"a success forgives", []func(*batchSize){fails, fails, succeeds, fails, fails}, []int{100, 100, 100, 100, 100}},
		{"a refusal halves at once, a success doubles", []func(*batchSize){refuses, refuses, succeeds, succeeds, succeeds}, []int{50, 25, 50, 100, 100}},
		{"after failures it grows after eight successes",
			[]func(*batchSize){fails, fails, fails, succeeds, succeeds, succeeds, succeeds, succeeds, succeeds, succeeds, succeeds, succeeds},
			[]int{100, 100, 50, 50, 50, 50, 50, 50, 50, 50, 100, 100}},
	} {
		p := newBatchSize(full)
		var got []int
		for _, step := range c.steps {
			step(&p)
			got = append(got, p.size)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	p := newBatchSize(full)
	for range 50 {
		p.fails(p.size)
	}
	if p.size != 1 {
		t.Errorf("%d messages after many failures, want 1", p.size)
	}
	p = newBatchSize(full)
	if p.refuses(10); p.size != 5 {
		t.Errorf("%d messages after a refusal of 10, want 5", p.size)
	}
}

// A connection that dies whenever it carries more than so much.
func TestConsumerDividesABatchThatFailsAgainAndAgain(t *testing.T) {
	t.Parallel()
	const most = 7
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	narrow := make(chan struct{})
	r.store.before = func(_ context.Context, batch []models.DecodedMessage) error {
		select {
		case <-narrow:
			return nil
		default:
		}
		if len(batch) > most {
			return errors.New("unexpected EOF")
		}
		return nil
	}
	r.sendLeavers(0, 1, 501)
	m := r.start()
	r.untilDone(500)
	r.untilCommitted(r.topics.Terminated, 0, 500)
	wantOrder(t, r.store.facts())
	m.wantReady()
	close(narrow)
	r.sendLeavers(0, 501, 2501)
	r.untilCommitted(r.topics.Terminated, 0, 2500)
	if largest := r.store.largest(); largest <= most {
		t.Errorf("still %d messages at a time, though more get through", largest)
	}
	if got := len(r.store.faults()); got != 0 {
		t.Errorf("%d messages set aside for a connection's sake", got)
	}
}
