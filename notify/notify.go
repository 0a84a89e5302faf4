package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/internal/health"
	"referral/internal/promregister"
	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// Notifier sends invitations.
type Notifier struct {
	options Options
	metrics *metrics
	health  *health.Tracker
	guard   *recovering.Guard
}

// New returns a notifier. It does not connect yet.
func New(o Options) (*Notifier, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	n := &Notifier{options: o.withDefaults(), health: health.New(health.Options{
		Prefix: "notify: ", Log: o.Log,
		Failing: "sending invitations fails, trying again", Recovered: "sending invitations works again",
	})}
	var err error
	if n.guard, err = recovering.NewPrivate(o.Log, o.Registerer, "notify"); err != nil {
		return nil, err
	}
	reg := promregister.New(o.Registerer)
	n.metrics = newMetrics(reg, n.options.Transports)
	if err := reg.Err(); err != nil {
		return nil, fmt.Errorf("notify: registering metrics: %w", err)
	}
	return n, nil
}

// Run sends until ctx is done; messages on their way get a few seconds more. The error
// is that of a transport that cannot work at all.
func (n *Notifier) Run(ctx context.Context) error {
	connections, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	transports, connections := errgroup.WithContext(connections)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(connections, stop) // a transport has failed
	for _, t := range n.options.Transports {
		if c, ok := t.Sender.(Connected); ok {
			transports.Go(func() error { return n.connect(connections, c) })
		}
	}
	n.work(ctx)
	disconnect()
	return transports.Wait()
}

// connect keeps a transport's connection, also after a panic.
func (n *Notifier) connect(ctx context.Context, c Connected) error {
	for {
		err := n.guard.Do(func() error { return c.Run(ctx, n.receipt) })
		if !errors.Is(err, recovering.ErrPanicked) || !sleep.For(ctx, n.options.RetryMin) {
			return err
		}
	}
}

func (n *Notifier) work(ctx context.Context) {
	var group sync.WaitGroup
	for _, t := range n.options.Transports {
		group.Go(func() { n.newChannelWorker(t).run(ctx) })
	}
	group.Go(func() { n.regularly(ctx, n.options.QueueInterval, doingQueue, n.readQueues) })
	group.Go(func() { n.regularly(ctx, n.options.ClaimTimeout/5, doingRelease, n.release) })
	group.Wait()
}

// Ready is nil when nothing fails; otherwise it says what fails and why.
func (n *Notifier) Ready() error { return n.health.Err() }

func (n *Notifier) regularly(ctx context.Context, every time.Duration, what string, do func(context.Context) error) {
	for ctx.Err() == nil {
		n.report(ctx, what, n.guard.Do(func() error { return do(ctx) }))
		sleep.For(ctx, every)
	}
}

// report counts and tracks a failure, unless ctx is done.
func (n *Notifier) report(ctx context.Context, what string, err error) {
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		n.metrics.errors.WithLabelValues(what).Inc()
	}
	n.health.Report(what, err)
}

// release releases the claims of senders that have died.
func (n *Notifier) release(ctx context.Context) error {
	unknown, err := n.options.Queue.ReleaseInvitations(ctx, n.options.Now().Add(-n.options.ClaimTimeout), n.repeatable())
	for channel, count := range unknown {
		n.metrics.abandoned.WithLabelValues(string(channel)).Add(float64(count))
		n.options.Log.ErrorContext(ctx, "senders died while sending invitations; it is unknown whether they were sent, and they are not sent again",
			"channel", string(channel), "invitations", count)
	}
	return err
}

func (n *Notifier) repeatable() []string {
	names := []string{}
	for _, t := range n.options.Transports {
		if t.Repeatable {
			names = append(names, t.Name)
		}
	}
	return names
}

// receipt records what a transport reports about an earlier message. If that fails, the
// transport is to report it again.
func (n *Notifier) receipt(ctx context.Context, r models.Receipt) error {
	n.metrics.receipts.WithLabelValues(r.Transport, string(r.State)).Inc()
	err := n.options.Queue.RecordReceipt(ctx, r)
	n.report(ctx, doingReceipt, err)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

func (n *Notifier) readQueues(ctx context.Context) error {
	queues, err := n.options.Queue.InvitationQueues(ctx)
	if err != nil {
		return err
	}
	n.metrics.setQueues(queues, n.options.Now())
	return nil
}
