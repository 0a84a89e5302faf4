package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sethvargo/go-retry"
	"golang.org/x/time/rate"

	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// channelWorker sends the messages of one channel.
type channelWorker struct {
	*Notifier
	transport   Transport
	limit       *rate.Limiter
	unreachable bool // in the last round
}

func (n *Notifier) newChannelWorker(t Transport) *channelWorker {
	return &channelWorker{Notifier: n, transport: t, limit: rate.NewLimiter(rate.Limit(t.PerSecond), t.AtOnce)}
}

// run sends until ctx is done.
func (w *channelWorker) run(ctx context.Context) {
	waits := w.backoff()
	for ctx.Err() == nil {
		more := false
		err := w.guard.Do(func() error {
			more = w.round(ctx)
			return nil
		})
		w.report(ctx, doingRound, err)
		if w.unreachable {
			sleep.Next(ctx, waits)
			continue
		}
		waits = w.backoff()
		if !more {
			sleep.For(ctx, w.options.Poll)
		}
	}
}

func (n *Notifier) backoff() retry.Backoff {
	return sleep.Backoff(n.options.RetryMin, n.options.RetryMax)
}

// round claims what may be sent now and sends it, all at once: no claim waits in this
// process, where it could be lost. more is true if the next round has work.
func (w *channelWorker) round(ctx context.Context) (more bool) {
	if err := w.connected(); err != nil {
		if w.unreachable { // the first time it may just be connecting
			w.reportReachable(err)
		}
		w.unreachable = true
		return false
	}
	limit, err := w.tokens(ctx)
	if err != nil {
		return false // ctx is done
	}
	claims, err := w.options.Queue.ClaimInvitations(ctx, w.transport.Channel, w.transport.Name, limit)
	w.report(ctx, doingClaim, err)
	if err != nil {
		return false
	}
	err = w.sendAll(ctx, claims)
	w.unreachable = err != nil
	w.reportReachable(err)
	return len(claims) == limit
}

func (w *channelWorker) reportReachable(err error) {
	w.health.Report(fmt.Sprintf("%s by %s", w.transport.Channel, w.transport.Name), err)
	w.metrics.setReachable(w.transport, err == nil)
}

// connected returns why a transport that keeps a connection has none.
func (w *channelWorker) connected() error {
	if c, ok := w.transport.Sender.(Connected); ok {
		return c.Ready()
	}
	return nil
}

// tokens returns how many messages the rate allows now, at least one.
func (w *channelWorker) tokens(ctx context.Context) (n int, err error) {
	if err := w.limit.Wait(ctx); err != nil {
		return 0, err
	}
	for n = 1; n < w.transport.AtOnce && w.limit.Allow(); n++ {
	}
	return n, nil
}

// sendAll sends messages and records their outcomes. The error says that the transport
// could not be reached for one of them.
func (w *channelWorker) sendAll(ctx context.Context, claims []models.ClaimedInvitation) error {
	outlasting, end := sleep.Outlast(ctx, stopGrace)
	defer end()
	sending, cancel := context.WithTimeout(outlasting, sendTimeout)
	defer cancel()
	var group sync.WaitGroup
	var unreachable atomic.Pointer[error]
	for i := range claims {
		group.Go(func() {
			err := w.guard.Do(func() error { return w.send(ctx, sending, &claims[i]) })
			if errors.Is(err, models.ErrTransportUnreachable) {
				unreachable.Store(&err)
			}
		})
	}
	group.Wait()
	if err := unreachable.Load(); err != nil {
		return *err
	}
	return nil
}

// send is one attempt and the record of its outcome. ctx ends with the service, sending
// with the time for the message.
func (w *channelWorker) send(ctx, sending context.Context, c *models.ClaimedInvitation) error {
	var ids []string
	err := w.guard.Do(func() (err error) {
		ids, err = w.attempt(sending, c)
		return err
	})
	repeat := err != nil && !isKnown(err) && !errors.Is(err, recovering.ErrPanicked) && w.transport.Repeatable && c.MaybeSentBy == ""
	if repeat {
		err = fmt.Errorf("%w: %w", models.ErrTransportUnreachable, err)
	}
	outcome, name := outcomeOf(c, ids, err, w.options.Now(), w.options.GiveUp)
	outcome.InDoubt = repeat
	w.metrics.messages.WithLabelValues(string(c.Channel), w.transport.Name, name).Inc()
	if err != nil && name != outcomeUnreachable { // logged once for all of them
		w.options.Log.WarnContext(ctx, "an invitation was not sent", "invitation", c.Claim.ID.String(), "channel", string(c.Channel),
			"transport", w.transport.Name, "outcome", name, "error", err)
	}
	w.record(ctx, c.Claim, outcome)
	return err
}

func (w *channelWorker) attempt(ctx context.Context, c *models.ClaimedInvitation) ([]string, error) {
	if c.MaybeSentBy != "" {
		return nil, fmt.Errorf("%s may have sent it already, so %s does not send it", c.MaybeSentBy, w.transport.Name)
	}
	if expired(c, w.options.Now(), w.options.GiveUp) {
		return nil, fmt.Errorf("%w: the invitation is too old", models.ErrTransportBusy)
	}
	var m *models.InvitationMessage
	err := w.guard.Do(func() (err error) {
		m, err = w.options.Writer.Write(c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrMessageRefused, err)
	}
	return w.transport.Sender.Send(ctx, m)
}

// isKnown reports whether an error says what became of the message.
func isKnown(err error) bool {
	return errors.Is(err, models.ErrMessageRefused) || errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportUnreachable)
}

const (
	recordTries   = 6
	recordTimeout = 3 * time.Second
)

// maxRecordTime is how long recording an outcome may take, with pauses that double.
func maxRecordTime(pause time.Duration) time.Duration {
	return recordTries*recordTimeout + pause<<(recordTries-1)
}

// record stores an outcome, also through a restart of the database; at the end of the
// service it tries once more. An outcome that cannot be stored becomes unknown when the
// claim is released.
func (w *channelWorker) record(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) {
	waits := retry.WithMaxRetries(recordTries-1, w.backoff())
	for {
		stopping := ctx.Err() != nil
		err := w.recordOnce(ctx, claim, o)
		w.report(ctx, doingOutcome, err)
		if err == nil {
			return
		}
		if wait, exhausted := waits.Next(); !exhausted && !stopping {
			sleep.For(ctx, wait)
			continue
		}
		w.options.Log.ErrorContext(ctx, "the outcome of an invitation could not be recorded; it will count as unknown",
			"invitation", claim.ID.String(), "channel", string(w.transport.Channel), "state", string(o.State), "error", err)
		return
	}
}

func (w *channelWorker) recordOnce(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return w.options.Queue.RecordInvitationOutcome(ctx, claim, o)
}
