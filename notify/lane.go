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

// lane sends the messages of one channel.
type lane struct {
	*Notifier
	carrier Carrier
	limit   *rate.Limiter
	away    int // rounds in a row in which the carrier could not be reached
}

func (n *Notifier) newLane(c Carrier) *lane {
	return &lane{Notifier: n, carrier: c, limit: rate.NewLimiter(rate.Limit(c.PerSecond), c.AtOnce)}
}

// run sends until ctx is done. What is on its way then gets a while to end.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		worked := false
		err := l.guard.Do(func() error {
			worked = l.round(ctx)
			return nil
		})
		l.report(ctx, doingRound, err)
		switch {
		case l.away > 0:
			sleep.For(ctx, min(l.options.AwayMin<<min(l.away-1, 16), l.options.AwayMax))
		case !worked:
			sleep.For(ctx, l.options.Poll)
		}
	}
}

// round claims what may go out now and sends it, all at once: nothing is claimed
// that would wait in this process, where it could be lost.
func (l *lane) round(ctx context.Context) (worked bool) {
	if err := l.reachable(); err != nil {
		if l.away++; l.away > 1 { // once is no failure: it may just be connecting
			l.health.Report(l.name(), err)
		}
		return false
	}
	limit, err := l.tokens(ctx)
	if err != nil {
		return false // the end
	}
	claims, err := l.options.Queue.ClaimInvitations(ctx, l.carrier.Channel, l.carrier.Name, limit)
	l.report(ctx, doingClaim, err)
	if err != nil {
		return false
	}
	if len(claims) == 0 {
		l.works() // as far as anybody can tell
		return false
	}
	l.sendAll(ctx, claims)
	return len(claims) == limit
}

func (l *lane) works() {
	l.away = 0
	l.health.Report(l.name(), nil)
}

func (l *lane) name() string { return fmt.Sprintf("%s by %s", l.carrier.Channel, l.carrier.Name) }

// reachable asks a carrier that keeps a connection whether it has one.
func (l *lane) reachable() error {
	if c, ok := l.carrier.Sender.(Connected); ok {
		return c.Ready()
	}
	return nil
}

// tokens is how many messages the rate allows now, at least one.
func (l *lane) tokens(ctx context.Context) (n int, err error) {
	if err := l.limit.Wait(ctx); err != nil {
		return 0, err
	}
	for n = 1; n < l.carrier.AtOnce && l.limit.Allow(); n++ {
	}
	return n, nil
}

func (l *lane) sendAll(ctx context.Context, claims []models.ClaimedInvitation) {
	sending, cancel := l.outlast(ctx)
	defer cancel()
	var group sync.WaitGroup
	var unreached atomic.Pointer[error]
	for i := range claims {
		group.Go(func() {
			err := l.guard.Do(func() error { return l.send(ctx, sending, &claims[i]) })
			if errors.Is(err, models.ErrCarrierAway) {
				unreached.Store(&err)
			}
		})
	}
	group.Wait()
	if err := unreached.Load(); err != nil {
		l.away++
		l.health.Report(l.name(), *err)
		return
	}
	l.works()
}

// outlast is a context that ends with the time for a message, or a while after
// ctx.
func (l *lane) outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.options.SendTimeout)
	stop := context.AfterFunc(ctx, func() {
		sleep.For(sending, l.options.StopGrace)
		cancel()
	})
	return sending, func() { stop(); cancel() }
}

// send is one attempt, and the note of it. ctx ends with the service, sending
// with the time for the message.
func (l *lane) send(ctx, sending context.Context, c *models.ClaimedInvitation) error {
	var ids []string
	err := l.guard.Do(func() (err error) {
		ids, err = l.attempt(sending, c)
		return err
	})
	repeat := err != nil && !known(err) && !errors.Is(err, recovering.ErrPanicked) && l.carrier.Repeatable && c.MaybeSentBy == ""
	if repeat {
		err = fmt.Errorf("%w: %w", models.ErrCarrierAway, err)
	}
	outcome, name := judge(c, ids, err, l.options.Now(), l.options.GiveUp)
	outcome.InDoubt = repeat
	l.metrics.messages.WithLabelValues(string(c.Channel), l.carrier.Name, name).Inc()
	if err != nil && name != outcomeAway { // that is said once for all of them
		l.options.Log.Warn("an invitation was not sent", "invitation", c.Claim.ID.String(), "channel", string(c.Channel),
			"carrier", l.carrier.Name, "outcome", name, "error", err)
	}
	l.note(ctx, c.Claim, outcome)
	return err
}

func (l *lane) attempt(ctx context.Context, c *models.ClaimedInvitation) ([]string, error) {
	if c.MaybeSentBy != "" {
		return nil, fmt.Errorf("%s may have sent it before, so that %s does not", c.MaybeSentBy, l.carrier.Name)
	}
	if expired(c, l.options.Now(), l.options.GiveUp) {
		return nil, fmt.Errorf("%w: the invitation is too old", models.ErrCarrierBusy)
	}
	var m *models.InvitationMessage
	err := l.guard.Do(func() (err error) {
		m, err = l.options.Writer.Write(c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrCarrierRefuses, err)
	}
	return l.carrier.Sender.Send(ctx, m)
}

// known tells an error that says what became of the message.
func known(err error) bool {
	return errors.Is(err, models.ErrCarrierRefuses) || errors.Is(err, models.ErrCarrierBusy) || errors.Is(err, models.ErrCarrierAway)
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
func (l *lane) note(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) {
	for try := 1; ; try++ {
		last := try == noteTries || ctx.Err() != nil
		err := l.noteOnce(ctx, claim, o)
		l.report(ctx, doingOutcome, err)
		if err == nil {
			return
		}
		if last {
			l.options.Log.Error("it could not be written down what became of an invitation; it will be taken for unknown",
				"invitation", claim.ID.String(), "channel", string(l.carrier.Channel), "state", string(o.State), "error", err)
			return
		}
		sleep.For(ctx, l.options.AwayMin<<(try-1))
	}
}

func (l *lane) noteOnce(ctx context.Context, claim models.InvitationClaim, o models.InvitationOutcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	return l.options.Queue.NoteInvitation(ctx, claim, o)
}
