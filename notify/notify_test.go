package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/models"
)

// end stops a notifier and waits for it.
func (o *rig) end(t testing.TB) {
	t.Helper()
	o.stop()
	if err := <-o.done; err != nil {
		t.Errorf("Run ends with %v", err)
	}
}

func TestInvitationsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails, texts := &memoryQueue{}, answering(nil), answering(nil)
		queue.add(models.Email, 20)
		queue.add(models.SMS, 3)
		o := newRig(t, queue, byEmail(mails), Transport{Channel: models.SMS, Name: "kafka", Sender: texts, PerSecond: 10, AtOnce: 4}).start(t)
		time.Sleep(5 * time.Second)
		queue.add(models.Email, 1)
		time.Sleep(2 * time.Second)
		o.end(t)
		if len(mails.seen) != 21 || len(texts.seen) != 3 || queue.count(models.InvitationSent) != 24 {
			t.Errorf("%d mails, %d SMS, %d sent", len(mails.seen), len(texts.seen), queue.count(models.InvitationSent))
		}
		for id, times := range mails.seen {
			if times != 1 {
				t.Errorf("%s was sent %d times", id, times)
			}
		}
		if n := o.messages(t, outcomeSent); n != 21 || o.Ready() != nil {
			t.Errorf("%v were counted, %v", n, o.Ready())
		}
		if ids := queue.notes[0].outcome.TransportIDs; len(ids) != 1 || ids[0] != queue.notes[0].id.String() {
			t.Errorf("the transport's ids are %q", ids)
		}
	})
}

// The invitations of a channel without a transport wait, and are counted.
func TestChannelWithoutATransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.SMS, 2)
		o := newRig(t, queue, byEmail(answering(nil))).start(t)
		time.Sleep(time.Minute + time.Second)
		o.end(t)
		waiting, age := testutil.ToFloat64(o.metrics.queue.WithLabelValues("sms", "waiting")), testutil.ToFloat64(o.metrics.oldest.WithLabelValues("sms"))
		if waiting != 2 || age != 60 || testutil.ToFloat64(o.metrics.queue.WithLabelValues("email", "waiting")) != 0 {
			t.Errorf("%v wait, the oldest for %v s", waiting, age)
		}
	})
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memoryQueue{}, answering(nil)
		queue.add(models.Email, 20)
		o := newRig(t, queue, Transport{Channel: models.Email, Name: "smtp", Sender: mails, PerSecond: 2, AtOnce: 1}).start(t)
		time.Sleep(time.Minute)
		o.end(t)
		if len(mails.at) != 20 {
			t.Fatalf("%d were sent", len(mails.at))
		}
		for i := 2; i < len(mails.at); i++ {
			if gap := mails.at[i].Sub(mails.at[i-2]); gap < 999*time.Millisecond {
				t.Errorf("messages %d to %d came within %s", i-1, i+1, gap)
			}
		}
	})
}

// A deferred message is tried at growing intervals, eight times at most.
func TestDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memoryQueue{}, answering(fmt.Errorf("mail: 450: %w", models.ErrTransportBusy))
		queue.add(models.Email, 1)
		o := newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(24 * time.Hour)
		o.end(t)
		if len(mails.at) != 8 || queue.count(models.InvitationFailed) != 1 {
			t.Fatalf("it was tried %d times", len(mails.at))
		}
		for i, wait := range deferrals {
			if gap := mails.at[i+1].Sub(mails.at[i]); gap < wait || gap > wait+2*time.Second {
				t.Errorf("attempt %d came after %s", i+2, gap)
			}
		}
		if o.messages(t, outcomeDeferred) != 7 || o.messages(t, outcomeExpired) != 1 {
			t.Error("it was not counted")
		}
	})
}

// While a transport is unreachable, it is tried at growing intervals and no message
// fails; all are sent when it is reachable again.
func TestUnreachableTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 50)
		back := time.Now().Add(10 * time.Hour)
		mails := newFakeSender(func(context.Context, *models.InvitationMessage, int) error {
			if time.Now().Before(back) {
				return fmt.Errorf("mail: %w: connection refused", models.ErrTransportUnreachable)
			}
			return nil
		})
		o := newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(time.Hour)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "email by smtp") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("Ready says %v", err)
		}
		if up, err := testutil.GatherAndCount(o.registry, "referral_notify_transport_up"); err != nil || up != 1 {
			t.Errorf("%d, %v", up, err)
		}
		if !strings.Contains(gathered(t, o), `referral_notify_transport_up{channel="email",transport="smtp"} 0`) {
			t.Error("the metric says that it is up")
		}
		if tries := mails.tries(); tries > 4*70 {
			t.Errorf("%d attempts in an hour", tries)
		}
		if lines := strings.Count(o.log.String(), "\n"); lines > 20 {
			t.Errorf("%d lines of log in an hour", lines)
		}
		time.Sleep(10 * time.Hour)
		if n := queue.count(models.InvitationSent); n != 50 || o.Ready() != nil {
			t.Errorf("%d were sent, %v", n, o.Ready())
		}
		if !strings.Contains(gathered(t, o), `referral_notify_transport_up{channel="email",transport="smtp"} 1`) {
			t.Error("the metric says that it is away")
		}
		o.end(t)
	})
}

func gathered(t testing.TB, o *rig) string {
	t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			fmt.Fprintf(&b, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), m.GetGauge().GetValue()+m.GetCounter().GetValue())
		}
	}
	return b.String()
}

// While a transport stays unreachable, messages fail after three days.
func TestMessagesFailAfterThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 5)
		o := newRig(t, queue, byEmail(answering(models.ErrTransportUnreachable))).start(t)
		time.Sleep(71 * time.Hour)
		if n := queue.count(models.InvitationFailed); n != 0 {
			t.Errorf("%d were given up early", n)
		}
		time.Sleep(2 * time.Hour)
		o.end(t)
		if n := queue.count(models.InvitationFailed); n != 5 || o.messages(t, outcomeExpired) != 5 {
			t.Errorf("%d were given up", n)
		}
	})
}

// A message with an unknown outcome is sent again only if receivers drop duplicates.
func TestUnknownOutcome(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memoryQueue{}
			queue.add(models.Email, 1)
			mails := newFakeSender(func(_ context.Context, _ *models.InvitationMessage, n int) error {
				if n < 3 {
					return errors.New("broken pipe")
				}
				return nil
			})
			transport := byEmail(mails)
			transport.Repeatable = repeatable
			o := newRig(t, queue, transport).start(t)
			time.Sleep(24 * time.Hour)
			o.end(t)
			want, times := models.InvitationUnknown, 1
			if repeatable {
				want, times = models.InvitationSent, 3
			}
			if queue.count(want) != 1 || len(mails.at) != times {
				t.Errorf("repeatable %v: sent %d times, %+v", repeatable, len(mails.at), queue.notes)
			}
		})
	}
}

// At the end of the service a message being sent gets a few seconds; after that its
// outcome is unknown.
func TestMessageBeingSentAtTheEnd(t *testing.T) {
	for _, takes := range []time.Duration{3 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memoryQueue{}
			queue.add(models.Email, 1)
			mails := newFakeSender(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			o := newRig(t, queue, byEmail(mails)).start(t)
			time.Sleep(time.Second)
			asked := time.Now()
			o.end(t)
			if lasted := time.Since(asked); lasted > 6*time.Second {
				t.Errorf("the end took %s", lasted)
			}
			want := models.InvitationSent
			if takes == time.Hour {
				want = models.InvitationUnknown
			}
			if queue.count(want) != 1 {
				t.Errorf("it is noted as %+v", queue.notes)
			}
		})
	}
}

func TestTimeoutOfAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 1)
		mails := newFakeSender(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		o := newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(2 * time.Minute)
		o.end(t)
		if queue.count(models.InvitationUnknown) != 1 || len(mails.at) != 1 {
			t.Errorf("noted: %+v", queue.notes)
		}
	})
}

// The claims of a sender that died become unknown, or are sent again if the transport
// is repeatable.
func TestClaimsOfDeadSendersAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 2)
		queue.add(models.SMS, 1)
		if _, err := queue.ClaimInvitations(t.Context(), models.Email, "smtp", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.ClaimInvitations(t.Context(), models.SMS, "kafka", 1); err != nil {
			t.Fatal(err)
		}
		mails, texts := answering(nil), answering(nil)
		kafka := Transport{Channel: models.SMS, Name: "kafka", Sender: texts, PerSecond: 10, AtOnce: 4, Repeatable: true}
		o := newRig(t, queue, byEmail(mails), kafka).start(t)
		time.Sleep(9 * time.Minute)
		if n := queue.count(models.InvitationSending); n != 3 {
			t.Errorf("%d are in hand", n)
		}
		time.Sleep(10 * time.Minute)
		o.end(t)
		if queue.count(models.InvitationUnknown) != 2 || len(mails.at) != 0 || queue.count(models.InvitationSent) != 1 || len(texts.at) != 1 {
			t.Errorf("%d mails and %d SMS were sent", len(mails.at), len(texts.at))
		}
		if n := testutil.ToFloat64(o.metrics.abandoned.WithLabelValues("email")); n != 2 {
			t.Errorf("%v were counted", n)
		}
	})
}

// While the database is unavailable nothing is sent. A message whose outcome could not
// be recorded is not sent again.
func TestUnavailableDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 2)
		mails := newFakeSender(func(_ context.Context, _ *models.InvitationMessage, n int) error {
			queue.fail(errors.New("no database"))
			return nil
		})
		o := newRig(t, queue, Transport{Channel: models.Email, Name: "smtp", Sender: mails, PerSecond: 1, AtOnce: 1}).start(t)
		time.Sleep(5 * time.Minute)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "claiming invitations: no database") || !strings.Contains(err.Error(), "recording outcomes") {
			t.Errorf("Ready says %v", err)
		}
		queue.fail(nil)
		mails.mutex.Lock()
		mails.send = func(context.Context, *models.InvitationMessage, int) error { return nil }
		mails.mutex.Unlock()
		time.Sleep(30 * time.Minute)
		o.end(t)
		if len(mails.at) != 2 || queue.count(models.InvitationSent) != 1 || queue.count(models.InvitationUnknown) != 1 {
			t.Errorf("%d mails went out, %+v", len(mails.at), queue.notes)
		}
		if err := o.Ready(); err != nil {
			t.Errorf("then Ready says %v", err)
		}
	})
}

func TestOutcomeIsRecordedAfterADatabaseRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 2)
		mails := newFakeSender(func(_ context.Context, m *models.InvitationMessage, n int) error {
			queue.fail(errors.New("the database system is shutting down"))
			if n == 1 {
				return nil
			}
			return models.ErrTransportBusy
		})
		o := newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(20 * time.Second)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "recording outcomes") {
			t.Errorf("Ready says %v", err)
		}
		queue.fail(nil)
		time.Sleep(20 * time.Second)
		o.end(t)
		if queue.count(models.InvitationSent) != 1 || queue.count(models.InvitationQueued) != 1 || len(mails.at) != 2 {
			t.Errorf("%d mails went out, %+v", len(mails.at), queue.notes)
		}
	})
}

// A database that does not answer delays the end only for a few seconds, and the
// outcome that could not be recorded is logged.
func TestEndWithoutADatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 1)
		hung := &hanging{memoryQueue: queue}
		mails := newFakeSender(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
			hung.on.Store(true)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		o := newRig(t, queue, byEmail(mails))
		o.options.Queue = hung
		o.start(t)
		time.Sleep(time.Second)
		asked := time.Now()
		o.end(t)
		if lasted := time.Since(asked); lasted > 9*time.Second {
			t.Errorf("the end took %s", lasted)
		}
		if log := o.log.String(); !strings.Contains(log, "the outcome of an invitation could not be recorded") || !strings.Contains(log, "state=unknown") {
			t.Errorf("it is not said: %s", log)
		}
	})
}

// Connecting within a second of the start is not a failure.
func TestConnectingIsNotAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 1)
		l := &fakeConnection{fakeSender: answering(nil), down: errors.New("not bound")}
		l.run = func(ctx context.Context, _ func(context.Context, models.Receipt) error) error {
			time.Sleep(500 * time.Millisecond)
			l.set(nil)
			<-ctx.Done()
			return nil
		}
		o := newRig(t, queue, byEmail(l)).start(t)
		time.Sleep(5 * time.Second)
		o.end(t)
		if log := o.log.String(); queue.count(models.InvitationSent) != 1 || strings.Contains(log, "ERROR") {
			t.Errorf("%d were sent: %s", queue.count(models.InvitationSent), log)
		}
	})
}

func TestExpiredInvitationIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memoryQueue{}, answering(nil)
		queue.add(models.Email, 1)
		time.Sleep(73 * time.Hour)
		queue.add(models.Email, 1)
		o := newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(time.Minute)
		o.end(t)
		if len(mails.at) != 1 || queue.count(models.InvitationFailed) != 1 {
			t.Errorf("%d mails went out", len(mails.at))
		}
	})
}

func TestReplicasShareTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memoryQueue{}, answering(nil)
		queue.add(models.Email, 60)
		one, other := newRig(t, queue, byEmail(mails)).start(t), newRig(t, queue, byEmail(mails)).start(t)
		time.Sleep(time.Minute)
		one.end(t)
		other.end(t)
		if len(mails.at) != 60 || len(mails.seen) != 60 {
			t.Errorf("%d mails to %d", len(mails.at), len(mails.seen))
		}
	})
}

// Nothing is claimed for a transport without a connection, and its receipts are
// recorded.
func TestConnectedTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memoryQueue{}
		queue.add(models.Email, 3)
		ended := false
		l := &fakeConnection{fakeSender: answering(nil), down: errors.New("not bound")}
		l.run = func(ctx context.Context, receipts func(context.Context, models.Receipt) error) error {
			time.Sleep(time.Minute)
			l.set(nil)
			time.Sleep(5 * time.Second)
			receipt := models.Receipt{Transport: "smtp", TransportID: "x", State: models.InvitationDelivered}
			queue.fail(errors.New("no database"))
			if err := receipts(ctx, receipt); err == nil {
				t.Error("a receipt that could not be noted passes for noted")
			}
			queue.fail(nil)
			if err := receipts(ctx, receipt); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			ended = true
			return nil
		}
		o := newRig(t, queue, byEmail(l)).start(t)
		time.Sleep(30 * time.Second)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "not bound") || queue.count(models.InvitationQueued) != 3 {
			t.Errorf("Ready says %v", err)
		}
		time.Sleep(10 * time.Minute)
		o.end(t)
		if queue.count(models.InvitationSent) != 3 || len(queue.said) != 1 || !ended || o.Ready() != nil {
			t.Errorf("%d sent, %d receipts, ended %v, %v", queue.count(models.InvitationSent), len(queue.said), ended, o.Ready())
		}
		if n := testutil.ToFloat64(o.metrics.receipts.WithLabelValues("smtp", "delivered")); n != 2 {
			t.Errorf("%v receipts were counted", n)
		}
	})
}

func TestFailedTransportEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeConnection{fakeSender: answering(nil)}
		l.run = func(context.Context, func(context.Context, models.Receipt) error) error {
			return errors.New("wrong version")
		}
		o := newRig(t, &memoryQueue{}, byEmail(l)).start(t)
		if err := <-o.done; err == nil || err.Error() != "wrong version" {
			t.Errorf("Run ends with %v", err)
		}
	})
}

// Neither the log nor the metrics nor Ready contain recipients, codes or links.
func TestNoPersonalDataIsLogged(t *testing.T) {
	for _, err := range []error{nil, models.ErrMessageRefused, models.ErrTransportBusy, models.ErrTransportUnreachable, errors.New("broken pipe")} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memoryQueue{}
			queue.add(models.Email, 3)
			o := newRig(t, queue, byEmail(answering(err))).start(t)
			time.Sleep(10 * time.Minute)
			told := fmt.Sprint(o.Ready()) + gathered(t, o)
			o.end(t)
			told += o.log.String()
			for _, canary := range []string{"friend", "example.com", "K7M2XQ9PR", "M3ZQ5V7R2K4N6P2S3T2W3X4Y5Z", "lk.example.ru"} {
				if strings.Contains(told, canary) {
					t.Errorf("%q is told in\n%s", canary, told)
				}
			}
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{})
	for _, name := range []string{"Queue", "Writer", "Log", "Registerer", "Now"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	good := newRig(t, &memoryQueue{}).options
	for name, change := range map[string]func(*Options){
		"a transport without a name": func(o *Options) {
			o.Transports = []Transport{{Channel: models.Email, Sender: answering(nil), PerSecond: 1}}
		},
		"a transport without a sender": func(o *Options) { o.Transports = []Transport{{Channel: models.Email, Name: "x", PerSecond: 1}} },
		"a transport without a rate": func(o *Options) {
			o.Transports = []Transport{{Channel: models.Email, Name: "x", Sender: answering(nil)}}
		},
		"two transports of a channel":   func(o *Options) { o.Transports = []Transport{byEmail(answering(nil)), byEmail(answering(nil))} },
		"claims given up while sending": func(o *Options) { o.ClaimTimeout = time.Minute },
	} {
		o := good
		change(&o)
		if err := o.validate(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
