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

// New makes a notifier. It connects to nothing yet.
func New(o Options) (*Notifier, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	n := &Notifier{options: o.withDefaults(), health: health.New(health.Options{
		Prefix: "notify: ", Log: o.Log,
		Failing: "invitations: something fails, trying again", Recovered: "invitations: it works again",
	})}
	for i := range n.options.Transports {
		c := &n.options.Transports[i]
		if c.AtOnce == 0 {
			c.AtOnce = 4
		}
	}
	var err error
	if n.guard, err = recovering.NewPrivate(o.Log, o.Registerer, "notify"); err != nil {
		return nil, err
	}
	reg := promregister.New(o.Registerer)
	n.metrics = newMetrics(reg, n)
	if err := reg.Err(); err != nil {
		return nil, fmt.Errorf("notify: registering metrics: %w", err)
	}
	return n, nil
}

// Run sends until ctx is done. What is on its way then gets a while to end. The
// error is that of a transport that cannot work at all.
func (n *Notifier) Run(ctx context.Context) error {
	lines, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	transports, lines := errgroup.WithContext(lines)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(lines, stop) // a transport that has failed ends it all
	for _, c := range n.options.Transports {
		if line, ok := c.Sender.(Connected); ok {
			transports.Go(func() error { return n.connect(lines, line) })
		}
	}
	n.work(ctx)
	hangUp()
	return transports.Wait()
}

// connect keeps a transport's connection, through its panics as well.
func (n *Notifier) connect(ctx context.Context, line Connected) error {
	for {
		err := n.guard.Do(func() error { return line.Run(ctx, n.receipt) })
		if !errors.Is(err, recovering.ErrPanicked) || !sleep.For(ctx, n.options.AwayMin) {
			return err
		}
	}
}

func (n *Notifier) work(ctx context.Context) {
	var group sync.WaitGroup
	for _, c := range n.options.Transports {
		group.Go(func() { n.newChannelWorker(c).run(ctx) })
	}
	group.Go(func() { n.regularly(ctx, n.options.QueuesEvery, doingQueue, n.readQueues) })
	group.Go(func() { n.regularly(ctx, n.options.ClaimTimeout/5, doingRelease, n.giveUp) })
	group.Wait()
}

// Ready is nil when nothing fails; otherwise it names what does, and why.
func (n *Notifier) Ready() error { return n.health.Err() }

func (n *Notifier) regularly(ctx context.Context, every time.Duration, what string, do func(context.Context) error) {
	for ctx.Err() == nil {
		n.report(ctx, what, n.guard.Do(func() error { return do(ctx) }))
		sleep.For(ctx, every)
	}
}

// report counts and names what failed, unless the end has come.
func (n *Notifier) report(ctx context.Context, what string, err error) {
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		n.metrics.errors.WithLabelValues(what).Inc()
	}
	n.health.Report(what, err)
}

// giveUp deals with what dead senders had in hand.
func (n *Notifier) giveUp(ctx context.Context) error {
	unknown, err := n.options.Queue.ReleaseInvitations(ctx, n.options.Now().Add(-n.options.ClaimTimeout), n.repeatable())
	for channel, count := range unknown {
		n.metrics.abandoned.WithLabelValues(string(channel)).Add(float64(count))
		n.options.Log.Error("senders died with invitations in hand; nobody knows whether they went out, and they are not sent again",
			"channel", string(channel), "invitations", count)
	}
	return err
}

func (n *Notifier) repeatable() []string {
	names := []string{}
	for _, c := range n.options.Transports {
		if c.Repeatable {
			names = append(names, c.Name)
		}
	}
	return names
}

// receipt notes what a transport says of a message sent before. The transport is to
// say it again when that fails.
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
