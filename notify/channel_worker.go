package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"referral/internal/recovering"
	"referral/internal/sleep"
	"referral/models"
)

// channelWorker sends the messages of one channel.
type channelWorker struct {
	*Notifier
	transport Transport
	limit     *rate.Limiter
	away      int // rounds in a row in which the transport could not be reached
}

func (n *Notifier) newChannelWorker(c Transport) *channelWorker {
	return &channelWorker{Notifier: n, transport: c, limit: rate.NewLimiter(rate.Limit(c.PerSecond), c.AtOnce)}
}

// run sends until ctx is done. What is on its way then gets a while to end.
func (w *channelWorker) run(ctx context.Context) {
	for ctx.Err() == nil {
		worked := false
		err := w.guard.Do(func() error {
			worked = w.round(ctx)
			return nil
		})
		w.report(ctx, doingRound, err)
		switch {
		case w.away > 0:
			sleep.For(ctx, min(w.options.AwayMin<<min(w.away-1, 16), w.options.AwayMax))
		case !worked:
			sleep.For(ctx, w.options.Poll)
		}
	}
}

// round claims what may go out now and sends it, all at once: nothing is claimed
// that would wait in this process, where it could be lost.
func (w *channelWorker) round(ctx context.Context) (worked bool) {
	if err := w.reachable(); err != nil {
		if w.away++; w.away > 1 { // once is no failure: it may just be connecting
			w.health.Report(w.name(), err)
		}
		return false
	}
	limit, err := w.tokens(ctx)
	if err != nil {
		return false // the end
	}
	claims, err := w.options.Queue.ClaimInvitations(ctx, w.transport.Channel, w.transport.Name, limit)
	w.report(ctx, doingClaim, err)
	if err != nil {
		return false
	}
	if len(claims) == 0 {
		w.works() // as far as anybody can tell
		return false
	}
	w.sendAll(ctx, claims)
	return len(claims) == limit
}

func (w *channelWorker) works() {
	w.away = 0
	w.health.Report(w.name(), nil)
}

func (w *channelWorker) name() string {
	return fmt.Sprintf("%s by %s", w.transport.Channel, w.transport.Name)
}

// reachable asks a transport that keeps a connection whether it has one.
func (w *channelWorker) reachable() error {
	if c, ok := w.transport.Sender.(Connected); ok {
		return c.Ready()
	}
	return nil
}

// tokens is how many messages the rate allows now, at least one.
func (w *channelWorker) tokens(ctx context.Context) (n int, err error) {
	if err := w.limit.Wait(ctx); err != nil {
		return 0, err
	}
	for n = 1; n < w.transport.AtOnce && w.limit.Allow(); n++ {
	}
	return n, nil
}

func (w *channelWorker) sendAll(ctx context.Context, claims []models.ClaimedInvitation) {
	outlasting, end := sleep.Outlast(ctx, stopGrace)
	defer end()
	sending, cancel := context.WithTimeout(outlasting, sendTimeout)
	defer cancel()
	var group sync.WaitGroup
	var unreached atomic.Pointer[error]
	for i := range claims {
		group.Go(func() {
			err := w.guard.Do(func() error { return w.send(ctx, sending, &claims[i]) })
			if errors.Is(err, models.ErrTransportAway) {
				unreached.Store(&err)
			}
		})
	}
	group.Wait()
	if err := unreached.Load(); err != nil {
		w.away++
		w.health.Report(w.name(), *err)
		return
	}
	w.works()
}

// send is one attempt, and the note of it. ctx ends with the service, sending
// with the time for the message.
func (w *channelWorker) send(ctx, sending context.Context, c *models.ClaimedInvitation) error {
	var ids []string
	err := w.guard.Do(func() (err error) {
		ids, err = w.attempt(sending, c)
		return err
	})
	repeat := err != nil && !known(err) && !errors.Is(err, recovering.ErrPanicked) && w.transport.Repeatable && c.MaybeSentBy == ""
	if repeat {
		err = fmt.Errorf("%w: %w", models.ErrTransportAway, err)
	}
	outcome, name := outcomeOf(c, ids, err, w.options.Now(), w.options.GiveUp)
	outcome.InDoubt = repeat
	w.metrics.messages.WithLabelValues(string(c.Channel), w.transport.Name, name).Inc()
	if err != nil && name != outcomeAway { // that is said once for all of them
		w.options.Log.Warn("an invitation was not sent", "invitation", c.Claim.ID.String(), "channel", string(c.Channel),
			"transport", w.transport.Name, "outcome", name, "error", err)
	}
	w.note(ctx, c.Claim, outcome)
	return err
}

func (w *channelWorker) attempt(ctx context.Context, c *models.ClaimedInvitation) ([]string, error) {
	if c.MaybeSentBy != "" {
		return nil, fmt.Errorf("%s may have sent it before, so that %s does not", c.MaybeSentBy, w.transport.Name)
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
		return nil, fmt.Errorf("%w: %w", models.ErrTransportRefuses, err)
	}
	return w.transport.Sender.Send(ctx, m)
}

// known tells an error that says what became of the message.
func known(err error) bool {
	return errors.Is(err, models.ErrTransportRefuses) || errors.Is(err, models.ErrTransportBusy) || errors.Is(err, models.ErrTransportAway)
}

const (
	noteTries   = 6
	noteTimeout = 3 * time.Second
)

// longestNote is how long a note may take.
func longestNote(pause time.Duration) time.Duration {
	return noteTries*noteTimeout + pause<<(noteTries-1)
}

// note writes down what became of a message, also through a restart of the
// database; when the end has come it tries once more. What cannot be written down
// becomes unknown when the claim is given up.
func (w *channelWorker) note(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) {
	for try := 1; ; try++ {
		last := try == noteTries || ctx.Err() != nil
		err := w.noteOnce(ctx, claim, o)
		w.report(ctx, doingOutcome, err)
		if err == nil {
			return
		}
		if last {
			w.options.Log.Error("it could not be written down what became of an invitation; it will be taken for unknown",
				"invitation", claim.ID.String(), "channel", string(w.transport.Channel), "state", string(o.State), "error", err)
			return
		}
		sleep.For(ctx, w.options.AwayMin<<(try-1))
	}
}

func (w *channelWorker) noteOnce(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	return w.options.Queue.RecordInvitationOutcome(ctx, claim, o)
}
