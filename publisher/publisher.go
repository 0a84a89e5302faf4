package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"referral/internal/health"
	"referral/internal/promregister"
	"referral/internal/recovering"
	"referral/internal/sleep"
)

// ErrLedElsewhere says that another replica publishes just now.
var ErrLedElsewhere = errors.New("publisher: another replica leads")

// ErrHeld says that something cannot be published because the broker refuses a
// message permanently.
var ErrHeld = errors.New("held")

var errNotAsked = errors.New("publisher: does not know yet whether it leads")

// Publisher publishes what the ledger holds and has not published yet.
type Publisher struct {
	options Options
	metrics *metrics
	retrier *retrier
	sender  *sender
	encoder *Encoder

	asked atomic.Bool // whether it is known who leads
}

// New makes a publisher. It connects to nothing yet.
func New(o Options) (*Publisher, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := &Publisher{options: o.withDefaults()}
	p.encoder = NewEncoder(source)
	reg := promregister.New(o.Registerer)
	p.metrics = newMetrics(reg, o.Topics, o.Shadow)
	err := reg.Err()
	if err != nil {
		return nil, fmt.Errorf("publisher: registering metrics: %w", err)
	}
	p.retrier = &retrier{
		Tracker: health.New(health.Options{
			Prefix: "publisher: ", Log: o.Log, Failing: "publishing fails, trying again", Recovered: "publishing goes on",
		}),
		metrics: p.metrics, min: p.options.RetryMin, max: p.options.RetryMax,
	}
	if p.retrier.guard, err = recovering.New(o.Log, o.Registerer, "publisher"); err != nil {
		return nil, err
	}
	p.sender = p.newSender()
	return p, nil
}

func (p *Publisher) newSender() *sender {
	o := &p.options
	return &sender{
		client:   &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: o.Transport},
		balancer: kafka.Murmur2Balancer{}, // as Java's clients do; kafka-go's own default differs
		retrier:  p.retrier, metrics: p.metrics, now: o.Now, slots: make(chan struct{}, requests),
		batchBytes: o.BatchBytes, maxMessage: o.MaxMessage, compression: o.Compression,
	}
}

// Run publishes whenever this replica leads, until ctx is done. A request that is
// on its way then is waited for, writeTimeout at most. The error is always nil.
func (p *Publisher) Run(ctx context.Context) error {
	var watch sync.WaitGroup
	watch.Go(func() { p.watchBacklog(ctx) })
	for ctx.Err() == nil {
		p.serve(ctx)
		sleep.For(ctx, p.options.PollInterval)
	}
	watch.Wait()
	return nil
}

// serve tries to lead, and publishes until the lead is lost.
func (p *Publisher) serve(ctx context.Context) {
	err := p.retrier.guard.Do(func() error { return p.lead(ctx, (*leaderSession).publishUntilDone) })
	switch {
	case ctx.Err() != nil, errors.Is(err, ErrLedElsewhere):
	case errors.Is(err, recovering.ErrPanicked):
		p.retrier.note(streamsTask, err)
		sleep.For(ctx, p.options.RetryMax)
	default:
		p.options.Log.WarnContext(ctx, "the lead is lost; trying to take it again", "error", err)
	}
}

// Drain publishes all that is there now and returns. The error is ErrLedElsewhere
// when another replica publishes, wraps ErrHeld when something cannot go out, and
// names what fails when ctx is done before all is out.
func (p *Publisher) Drain(ctx context.Context) error {
	err := p.lead(ctx, func(s *leaderSession, led context.Context) error { return p.withFailures(s.publishOnce(led)) })
	if err != nil && !errors.Is(err, ErrLedElsewhere) {
		return fmt.Errorf("publishing what is there: %w", err)
	}
	return err
}

// Ready is nil when nothing fails: while this replica publishes, or stands by
// because another one does. Otherwise it names what fails and why.
func (p *Publisher) Ready() error {
	if err := p.retrier.Err(); err != nil {
		return err
	}
	if !p.asked.Load() {
		return errNotAsked
	}
	return nil
}

// lead works as the leader, unless another replica is.
func (p *Publisher) lead(ctx context.Context, work func(*leaderSession, context.Context) error) error {
	led, release, err := p.takeLead(ctx)
	if err != nil {
		return err
	}
	defer release()
	p.metrics.leads.Set(1)
	defer p.metrics.leads.Set(0)
	p.options.Log.InfoContext(ctx, "publishing: this replica leads")
	s := p.newLeaderSession()
	defer s.end()
	return work(s, led)
}

func (p *Publisher) takeLead(ctx context.Context) (led context.Context, release func(), err error) {
	ok := false
	err = p.retrier.retry(ctx, task{Kind: doingLead, What: "asking for the lead"}, func(ctx context.Context) (err error) {
		led, release, ok, err = p.options.Ledger.Lead(ctx)
		return err
	})
	if err != nil {
		return nil, nil, p.withFailures(err)
	}
	p.asked.Store(true)
	if !ok {
		return nil, nil, ErrLedElsewhere
	}
	return led, release, nil
}

func (p *Publisher) newLeaderSession() *leaderSession {
	return &leaderSession{
		options: p.options, ledger: p.options.Ledger, log: p.options.Log, metrics: p.metrics, retrier: p.retrier,
		sender: p.sender, encoder: p.encoder, incomplete: newIncompleteChunks(&p.options, p.metrics, p.retrier),
		headers: []kafka.Header{{Key: "content-type", Value: []byte(ContentType)}},
	}
}

// withFailures adds what was failing to the error of a context that ended.
func (p *Publisher) withFailures(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, p.retrier.Err())
}

// watchBacklog reads the backlog at an interval, whether or not this replica leads: one
// that no replica works on must be visible.
func (p *Publisher) watchBacklog(ctx context.Context) {
	for ctx.Err() == nil {
		_ = p.retrier.retry(ctx, task{Kind: doingBacklog, What: "reading the backlog"}, p.readBacklog)
		sleep.For(ctx, p.options.BacklogEvery)
	}
}

func (p *Publisher) readBacklog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	documents, events, deadLetters, oldest, err := p.options.Ledger.Backlog(ctx)
	if err != nil {
		return err
	}
	p.metrics.backlog.WithLabelValues(streamDocuments).Set(float64(documents))
	p.metrics.backlog.WithLabelValues(streamEvents).Set(float64(events))
	p.metrics.backlog.WithLabelValues(streamDeadLetters).Set(float64(deadLetters))
	now, age := p.options.Now(), time.Duration(0)
	if !oldest.IsZero() {
		age = now.Sub(oldest)
	}
	p.metrics.oldest.WithLabelValues().Set(age.Seconds())
	p.metrics.readAt.WithLabelValues().Set(float64(now.Unix()))
	return nil
}
