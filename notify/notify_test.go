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
func (o *office) end(t testing.TB) {
	t.Helper()
	o.stop()
	if err := <-o.done; err != nil {
		t.Errorf("Run ends with %v", err)
	}
}

func TestInvitationsAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails, texts := &memory{}, saying(nil), saying(nil)
		queue.add(models.Email, 20)
		queue.add(models.SMS, 3)
		o := newOffice(t, queue, byMail(mails), Transport{Channel: models.SMS, Name: "kafka", Sender: texts, PerSecond: 10}).start(t)
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

// A channel without a transport waits, and its queue is seen.
func TestAChannelWithoutATransportWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.SMS, 2)
		o := newOffice(t, queue, byMail(saying(nil))).start(t)
		time.Sleep(time.Minute + time.Second)
		o.end(t)
		waiting, age := testutil.ToFloat64(o.metrics.queue.WithLabelValues("sms", "waiting")), testutil.ToFloat64(o.metrics.oldest.WithLabelValues("sms"))
		if waiting != 2 || age != 60 || testutil.ToFloat64(o.metrics.queue.WithLabelValues("email", "waiting")) != 0 {
			t.Errorf("%v wait, the oldest for %v s", waiting, age)
		}
	})
}

// No second sees more messages than its rate.
func TestTheRateIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memory{}, saying(nil)
		queue.add(models.Email, 20)
		o := newOffice(t, queue, Transport{Channel: models.Email, Name: "smtp", Sender: mails, PerSecond: 2, AtOnce: 1}).start(t)
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

// What the transport puts off is tried at growing intervals, eight times at most.
func TestPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memory{}, saying(fmt.Errorf("mail: 450: %w", models.ErrTransportBusy))
		queue.add(models.Email, 1)
		o := newOffice(t, queue, byMail(mails)).start(t)
		time.Sleep(24 * time.Hour)
		o.end(t)
		if len(mails.at) != 8 || queue.count(models.InvitationFailed) != 1 {
			t.Fatalf("it was tried %d times", len(mails.at))
		}
		for i, wait := range waits {
			if gap := mails.at[i+1].Sub(mails.at[i]); gap < wait || gap > wait+2*time.Second {
				t.Errorf("attempt %d came after %s", i+2, gap)
			}
		}
		if o.messages(t, outcomePutOff) != 7 || o.messages(t, outcomeGivenUp) != 1 {
			t.Error("it was not counted")
		}
	})
}

// A transport that is away has nothing given up: it is asked ever more rarely, and
// all goes out when it is back.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 50)
		back := time.Now().Add(10 * time.Hour)
		mails := newPost(func(context.Context, *models.InvitationMessage, int) error {
			if time.Now().Before(back) {
				return fmt.Errorf("mail: %w: connection refused", models.ErrTransportAway)
			}
			return nil
		})
		o := newOffice(t, queue, byMail(mails)).start(t)
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

func gathered(t testing.TB, o *office) string {
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

// A transport that never comes back has them end after three days all the same.
func TestAwayForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 5)
		o := newOffice(t, queue, byMail(saying(models.ErrTransportAway))).start(t)
		time.Sleep(71 * time.Hour)
		if n := queue.count(models.InvitationFailed); n != 0 {
			t.Errorf("%d were given up early", n)
		}
		time.Sleep(2 * time.Hour)
		o.end(t)
		if n := queue.count(models.InvitationFailed); n != 5 || o.messages(t, outcomeGivenUp) != 5 {
			t.Errorf("%d were given up", n)
		}
	})
}

// What nobody knows of is not sent again, unless receivers drop a repeat.
func TestUnknown(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memory{}
			queue.add(models.Email, 1)
			mails := newPost(func(_ context.Context, _ *models.InvitationMessage, n int) error {
				if n < 3 {
					return errors.New("broken pipe")
				}
				return nil
			})
			transport := byMail(mails)
			transport.Repeatable = repeatable
			o := newOffice(t, queue, transport).start(t)
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

// A message on its way when the end comes gets a while; one that does not end is
// unknown, and nobody waits for it.
func TestTheEnd(t *testing.T) {
	for _, takes := range []time.Duration{3 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memory{}
			queue.add(models.Email, 1)
			mails := newPost(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			o := newOffice(t, queue, byMail(mails)).start(t)
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

// A message that takes too long is unknown.
func TestAMessageThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 1)
		mails := newPost(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		o := newOffice(t, queue, byMail(mails)).start(t)
		time.Sleep(2 * time.Minute)
		o.end(t)
		if queue.count(models.InvitationUnknown) != 1 || len(mails.at) != 1 {
			t.Errorf("noted: %+v", queue.notes)
		}
	})
}

// A sender that dies leaves unknown what it had in hand, or lets it go again where
// that is harmless; both are seen.
func TestDeadSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 2)
		queue.add(models.SMS, 1)
		if _, err := queue.ClaimInvitations(t.Context(), models.Email, "smtp", 2); err != nil {
			t.Fatal(err)
		}
		if _, err := queue.ClaimInvitations(t.Context(), models.SMS, "kafka", 1); err != nil {
			t.Fatal(err)
		}
		mails, texts := saying(nil), saying(nil)
		kafka := Transport{Channel: models.SMS, Name: "kafka", Sender: texts, PerSecond: 10, Repeatable: true}
		o := newOffice(t, queue, byMail(mails), kafka).start(t)
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

// While the database does not answer nothing is sent, and it is said; what was sent
// and could not be noted is not sent again.
func TestTheDatabaseIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 2)
		mails := newPost(func(_ context.Context, _ *models.InvitationMessage, n int) error {
			queue.fail(errors.New("no database"))
			return nil
		})
		o := newOffice(t, queue, Transport{Channel: models.Email, Name: "smtp", Sender: mails, PerSecond: 1, AtOnce: 1}).start(t)
		time.Sleep(5 * time.Minute)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "claiming invitations: no database") || !strings.Contains(err.Error(), "noting what became of invitations") {
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

// What was sent while the database restarts is noted when it is back.
func TestTheDatabaseRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 2)
		mails := newPost(func(_ context.Context, m *models.InvitationMessage, n int) error {
			queue.fail(errors.New("the database system is shutting down"))
			if n == 1 {
				return nil
			}
			return models.ErrTransportBusy
		})
		o := newOffice(t, queue, byMail(mails)).start(t)
		time.Sleep(20 * time.Second)
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), "noting what became of invitations") {
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

// A database that hangs holds up the end for no longer than a stop may take, and
// what could not be noted is named.
func TestTheEndWithoutADatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 1)
		hung := &hanging{memory: queue}
		mails := newPost(func(ctx context.Context, _ *models.InvitationMessage, _ int) error {
			hung.on.Store(true)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		o := newOffice(t, queue, byMail(mails))
		o.options.Queue = hung
		o.start(t)
		time.Sleep(time.Second)
		asked := time.Now()
		o.end(t)
		if lasted := time.Since(asked); lasted > 9*time.Second {
			t.Errorf("the end took %s", lasted)
		}
		if log := o.log.String(); !strings.Contains(log, "it could not be written down what became of an invitation") || !strings.Contains(log, "state=unknown") {
			t.Errorf("it is not said: %s", log)
		}
	})
}

// A transport that has its connection within a second of the start is no failure.
func TestConnectingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 1)
		l := &line{post: saying(nil), down: errors.New("not bound")}
		l.run = func(ctx context.Context, _ func(context.Context, models.Receipt) error) error {
			time.Sleep(500 * time.Millisecond)
			l.set(nil)
			<-ctx.Done()
			return nil
		}
		o := newOffice(t, queue, byMail(l)).start(t)
		time.Sleep(5 * time.Second)
		o.end(t)
		if log := o.log.String(); queue.count(models.InvitationSent) != 1 || strings.Contains(log, "ERROR") {
			t.Errorf("%d were sent: %s", queue.count(models.InvitationSent), log)
		}
	})
}

// What is too old is not sent at all.
func TestTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memory{}, saying(nil)
		queue.add(models.Email, 1)
		time.Sleep(73 * time.Hour)
		queue.add(models.Email, 1)
		o := newOffice(t, queue, byMail(mails)).start(t)
		time.Sleep(time.Minute)
		o.end(t)
		if len(mails.at) != 1 || queue.count(models.InvitationFailed) != 1 {
			t.Errorf("%d mails went out", len(mails.at))
		}
	})
}

// Several replicas share the queue.
func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue, mails := &memory{}, saying(nil)
		queue.add(models.Email, 60)
		one, other := newOffice(t, queue, byMail(mails)).start(t), newOffice(t, queue, byMail(mails)).start(t)
		time.Sleep(time.Minute)
		one.end(t)
		other.end(t)
		if len(mails.at) != 60 || len(mails.seen) != 60 {
			t.Errorf("%d mails to %d", len(mails.at), len(mails.seen))
		}
	})
}

// A transport with a connection is kept, asked before anything is claimed, and its
// receipts are noted.
func TestAConnectedTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &memory{}
		queue.add(models.Email, 3)
		ended := false
		l := &line{post: saying(nil), down: errors.New("not bound")}
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
		o := newOffice(t, queue, byMail(l)).start(t)
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

// A transport that cannot work at all ends everything, and says why.
func TestATransportThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{post: saying(nil)}
		l.run = func(context.Context, func(context.Context, models.Receipt) error) error {
			return errors.New("wrong version")
		}
		o := newOffice(t, &memory{}, byMail(l)).start(t)
		if err := <-o.done; err == nil || err.Error() != "wrong version" {
			t.Errorf("Run ends with %v", err)
		}
	})
}

// Neither the log nor the metrics nor Ready say anything of recipients, codes or
// links.
func TestNothingPersonalIsTold(t *testing.T) {
	for _, err := range []error{nil, models.ErrTransportRefuses, models.ErrTransportBusy, models.ErrTransportAway, errors.New("broken pipe")} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memory{}
			queue.add(models.Email, 3)
			o := newOffice(t, queue, byMail(saying(err))).start(t)
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
	good := newOffice(t, &memory{}).options
	for name, change := range map[string]func(*Options){
		"a transport without a name": func(o *Options) {
			o.Transports = []Transport{{Channel: models.Email, Sender: saying(nil), PerSecond: 1}}
		},
		"a transport without a sender":  func(o *Options) { o.Transports = []Transport{{Channel: models.Email, Name: "x", PerSecond: 1}} },
		"a transport without a rate":    func(o *Options) { o.Transports = []Transport{{Channel: models.Email, Name: "x", Sender: saying(nil)}} },
		"two transports of a channel":   func(o *Options) { o.Transports = []Transport{byMail(saying(nil)), byMail(saying(nil))} },
		"claims given up while sending": func(o *Options) { o.ClaimTimeout = time.Minute },
	} {
		o := good
		change(&o)
		if err := o.validate(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
