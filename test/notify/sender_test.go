package notify

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"referral/models"
	"referral/notify"
)

const outcomes = `referral_notify_send_attempts_total{channel="email",outcome=`

// first is the id of a fixture's first invitation.
func first() models.UUID { return models.UUID{0, 1} }

func TestTwoReplicasSendEachOnce(t *testing.T) {
	r := newRig(t)
	const invitations = 200
	for range invitations {
		r.invite()
	}
	c := saying(first)
	r.start(c)
	r.start(c)
	r.until("all to be sent", func() (bool, string) {
		var left int
		err := r.db.QueryRow("SELECT count(*) FROM invitations WHERE state <> 'sent' OR attempts <> 1").Scan(&left)
		return err == nil && left == 0, fmt.Sprint(left, " are left, ", err)
	})
	if len(c.times) != invitations {
		t.Errorf("%d were sent", len(c.times))
	}
	for id, times := range c.times {
		if times != 1 {
			t.Errorf("%s was sent %d times", id, times)
		}
	}
}

// A deferred message waits by the clock, and is then sent under the same id.
func TestDeferredAndSent(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	c := saying(first, models.ErrTransportBusy, models.ErrTransportBusy)
	p := r.start(c)
	p.counts(outcomes + `"deferred",transport="smtp"} 1`)
	r.stands(id, models.InvitationQueued)
	r.later(time.Minute - time.Second)
	r.another()
	if n := c.handed(id); n != 1 {
		t.Errorf("it was tried %d times before its time", n)
	}
	r.later(time.Second)
	p.counts(outcomes + `"deferred",transport="smtp"} 2`)
	r.stands(id, models.InvitationQueued)
	r.later(5 * time.Minute)
	r.stands(id, models.InvitationSent)
	if n := c.handed(id); n != 3 {
		t.Errorf("it was tried %d times", n)
	}
}

// A message fails when it is deferred for the eighth time.
func TestDeferredTooOften(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	errs := make([]error, 20)
	for i := range errs {
		errs[i] = models.ErrTransportBusy
	}
	c := saying(first, errs...)
	p := r.start(c)
	for n := 1; n < 8; n++ {
		p.counts(fmt.Sprint(outcomes, `"deferred",transport="smtp"} `, n))
		r.stands(id, models.InvitationQueued)
		r.later(4 * time.Hour)
	}
	r.stands(id, models.InvitationFailed)
	p.counts(outcomes + `"expired",transport="smtp"} 1`)
	if n := c.handed(id); n != 8 {
		t.Errorf("it was tried %d times", n)
	}
}

func TestRefusedAndUnknownAreNotSentAgain(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want models.InvitationState
	}{
		"refused": {fmt.Errorf("mail: %w", models.ErrMessageRefused), models.InvitationFailed},
		"unknown": {errors.New("broken pipe"), models.InvitationUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.invite()
			by := saying(first, c.err)
			p := r.start(by)
			r.stands(id, c.want)
			p.counts(outcomes + `"` + name + `",transport="smtp"} 1`)
			r.later(24 * time.Hour)
			r.start(by) // a process that knows of nothing but the database
			r.another()
			if n := by.handed(id); n != 1 || r.state(id) != c.want {
				t.Errorf("it was tried %d times and is %s", n, r.state(id))
			}
		})
	}
}

// A repeatable transport sends a message with an unknown outcome again, under the same id.
func TestRepeatableTransport(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	c := saying(first, errors.New("broken pipe"), errors.New("timeout"))
	r.start(c, func(c *notify.Transport) { c.Name, c.Repeatable = "kafka", true })
	r.stands(id, models.InvitationSent)
	if n := c.handed(id); n != 3 || len(c.times) != 1 {
		t.Errorf("it was tried %d times, %v", n, c.times)
	}
}

// The invitation of a sender that died is released after ten minutes, counted, and never
// sent again.
func TestDeadSender(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	if claims, err := r.store.ClaimInvitations(t.Context(), models.Email, "smtp", 8); err != nil || len(claims) != 1 {
		t.Fatalf("%d claims, %v", len(claims), err)
	}
	c := saying(first)
	r.start(c)
	r.another()
	if r.state(id) != models.InvitationSending {
		t.Errorf("after no time it is %s", r.state(id))
	}
	r.later(11 * time.Minute)
	p := r.start(c)
	r.stands(id, models.InvitationUnknown)
	p.counts(`referral_notify_abandoned_invitations_total{channel="email"} 1`)
	r.later(24 * time.Hour)
	r.another()
	if n := c.handed(id); n != 0 {
		t.Errorf("it was sent %d times", n)
	}
}

func TestOptOutBeforeSending(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	r.optOut(1)
	c := saying(first)
	r.start(c)
	r.another()
	if n := c.handed(id); n != 0 || r.state(id) != models.InvitationOptedOut {
		t.Errorf("it was sent %d times and is %s", n, r.state(id))
	}
}

// A message that is deferred after its recipient has opted out is not sent again.
func TestOptOutWhileSending(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	reached, release := make(chan struct{}), make(chan struct{})
	c := newTransport(func(_ context.Context, m *models.InvitationMessage, _ int) error {
		if m.ID != id {
			return nil
		}
		close(reached)
		<-release
		return models.ErrTransportBusy
	})
	r.start(c)
	<-reached
	r.optOut(1)
	close(release)
	r.stands(id, models.InvitationOptedOut)
	r.later(24 * time.Hour)
	r.another()
	if n := c.handed(id); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}

// While the transport is unreachable, the metrics show the queue; all is sent later.
func TestMetricsOfTheQueue(t *testing.T) {
	r := newRig(t)
	var back atomic.Bool
	c := newTransport(func(context.Context, *models.InvitationMessage, int) error {
		if back.Load() {
			return nil
		}
		return fmt.Errorf("mail: %w: connection refused", models.ErrTransportUnreachable)
	})
	one := r.invite()
	r.later(30 * time.Second)
	other := r.invite()
	r.later(time.Minute)
	p := r.start(c)
	p.counts(`referral_notify_queue_invitations{channel="email",state="waiting"} 2`)
	p.counts(`referral_notify_queue_oldest_age_seconds{channel="email"} 90`)
	p.counts(`referral_notify_transport_up{channel="email",transport="smtp"} 0`)
	if err := p.Ready(); !errors.Is(err, models.ErrTransportUnreachable) {
		t.Errorf("Ready says %v", err)
	}
	back.Store(true)
	r.stands(one, models.InvitationSent)
	r.stands(other, models.InvitationSent)
	p.counts(`referral_notify_queue_invitations{channel="email",state="waiting"} 0`)
	p.counts(`referral_notify_queue_oldest_age_seconds{channel="email"} 0`)
	p.counts(`referral_notify_transport_up{channel="email",transport="smtp"} 1`)
}

func TestOutcomeAtTheEndIsRecorded(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	reached, release := make(chan struct{}), make(chan struct{})
	c := newTransport(func(context.Context, *models.InvitationMessage, int) error {
		close(reached)
		<-release
		return nil
	})
	p := r.start(c)
	<-reached
	p.stop()
	close(release)
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	p.done <- nil // for anyone who clears up
	if r.state(id) != models.InvitationSent {
		t.Errorf("it is %s", r.state(id))
	}
}

// A message that one transport may have sent is not sent by another; one that was
// certainly not sent is.
func TestAnotherTransport(t *testing.T) {
	doubt := errors.New("broken pipe")
	away := fmt.Errorf("publisher: %w: connection refused", models.ErrTransportUnreachable)
	for name, c := range map[string]struct {
		errs []error // of the first transport's attempts
		want models.InvitationState
	}{
		"in doubt":                   {[]error{doubt}, models.InvitationUnknown},
		"in doubt, then away":        {[]error{doubt, away}, models.InvitationUnknown},
		"away, then in doubt":        {[]error{away, doubt}, models.InvitationUnknown},
		"in doubt, then put off":     {[]error{doubt, models.ErrTransportBusy}, models.InvitationUnknown},
		"never reached":              {[]error{away, away}, models.InvitationSent},
		"not taken":                  {[]error{models.ErrTransportBusy}, models.InvitationSent},
		"nobody has tried it at all": {nil, models.InvitationSent},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.invite()
			for _, err := range c.errs {
				r.once(id, "kafka", err)
				r.later(time.Hour)
			}
			mails := saying(first)
			p := r.start(mails)
			r.stands(id, c.want)
			wanted := map[models.InvitationState]int{models.InvitationSent: 1}[c.want]
			if n := mails.handed(id); n != wanted {
				t.Errorf("another transport was handed it %d times", n)
			}
			if c.want == models.InvitationUnknown {
				p.counts(outcomes + `"unknown",transport="smtp"} 1`)
				p.says(id.String(), "kafka may have sent it already")
			}
			r.later(24 * time.Hour)
			r.another()
			if n := mails.handed(id); n != wanted || r.state(id) != c.want {
				t.Errorf("then it was handed it %d times, and is %s", n, r.state(id))
			}
		})
	}
}

// A message that may have been sent does not fail when its repeat is refused.
func TestRefusedRepeat(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	r.once(id, "kafka", errors.New("broken pipe"))
	r.later(time.Hour)
	claim := r.claimed("kafka").Claim
	refused := models.InvitationOutcome{State: models.InvitationFailed}
	if err := r.store.RecordInvitationOutcome(t.Context(), claim, refused); err != nil || r.state(id) != models.InvitationUnknown {
		t.Errorf("it is %s, %v", r.state(id), err)
	}
}

// Nor does it fail when it is too old for another try.
func TestInDoubtAndTooOld(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	claim := r.claimed("kafka").Claim
	late := models.InvitationOutcome{State: models.InvitationFailed, InDoubt: true}
	if err := r.store.RecordInvitationOutcome(t.Context(), claim, late); err != nil || r.state(id) != models.InvitationUnknown {
		t.Errorf("it is %s, %v", r.state(id), err)
	}
}

// A message that another transport may have sent is left to that transport, or unknown,
// when its sender dies.
func TestDeadSenderBetweenTransports(t *testing.T) {
	for name, c := range map[string]struct {
		repeatable []string // the transports of anyone who finds it
		want       models.InvitationState
	}{
		"the first transport is still there": {[]string{"kafka"}, models.InvitationQueued},
		"it is gone":                         {[]string{}, models.InvitationUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.invite()
			r.once(id, "kafka", errors.New("broken pipe"))
			if c := r.claimed("smtp"); c.MaybeSentBy != "kafka" {
				t.Fatalf("claimed %+v", c)
			}
			r.later(11 * time.Minute)
			if _, err := r.store.ReleaseInvitations(t.Context(), r.now(), c.repeatable); err != nil || r.state(id) != c.want {
				t.Fatalf("it is %s, %v", r.state(id), err)
			}
			mails := saying(first)
			r.start(mails)
			r.stands(id, models.InvitationUnknown)
			if n := mails.handed(id); n != 0 {
				t.Errorf("another transport was handed it %d times", n)
			}
		})
	}
}

// A transport whose sender died may have sent the message, so another one of the channel
// does not send it.
func TestInvitationOfADeadSenderKeepsItsTransport(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	r.claimed("kafka")
	r.later(11 * time.Minute)
	if unknown, err := r.store.ReleaseInvitations(t.Context(), r.now(), []string{"kafka"}); err != nil || len(unknown) != 0 {
		t.Fatalf("%v, %v", unknown, err)
	}
	mails := saying(first)
	r.start(mails)
	r.stands(id, models.InvitationUnknown)
	if n := mails.handed(id); n != 0 {
		t.Errorf("another transport was handed it %d times", n)
	}
}

// The transport that may have sent a message sends it again, also after others were
// tried in vain.
func TestTheSameTransportAgain(t *testing.T) {
	r := newRig(t)
	id := r.invite()
	r.once(id, "smtp", models.ErrTransportBusy)
	r.later(time.Hour)
	r.once(id, "kafka", errors.New("broken pipe"))
	c := saying(first)
	r.start(c, func(c *notify.Transport) { c.Name, c.Repeatable = "kafka", true })
	r.stands(id, models.InvitationSent)
	if n := c.handed(id); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}
