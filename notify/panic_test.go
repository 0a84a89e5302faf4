package notify

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/models"
)

// panicking is a queue that panics as often as a test wants.
type panicking struct {
	*memoryQueue
	claims, queues int
}

func (p *panicking) ClaimInvitations(ctx context.Context, channel models.Channel, transport string, limit int) ([]models.ClaimedInvitation, error) {
	if p.claims > 0 {
		p.claims--
		panic("rows without a result")
	}
	return p.memoryQueue.ClaimInvitations(ctx, channel, transport, limit)
}

func (p *panicking) InvitationQueues(ctx context.Context) ([]models.InvitationQueue, error) {
	if p.queues > 0 {
		p.queues--
		panic("rows without a result")
	}
	return p.memoryQueue.InvitationQueues(ctx)
}

func (o *rig) panics(t testing.TB, want float64) {
	t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "referral_panics_total" && f.GetMetric()[0].GetCounter().GetValue() == want {
			return
		}
	}
	t.Errorf("%v panics are not counted", want)
}

// A panic is counted and reported, and sending goes on.
func TestPanicsDoNotEndTheNotifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := &panicking{memoryQueue: &memoryQueue{}, claims: 2, queues: 1}
		queue.add(models.Email, 3)
		connections := 0
		l := &fakeConnection{fakeSender: answering(nil)}
		l.run = func(ctx context.Context, _ func(context.Context, models.Receipt) error) error {
			if connections++; connections == 1 {
				panic("index out of range")
			}
			<-ctx.Done()
			return nil
		}
		o := newRig(t, queue.memoryQueue, byEmail(l))
		o.options.Queue = queue
		o.start(t)
		synctest.Wait()
		if err := o.Ready(); err == nil || !strings.Contains(err.Error(), doingRound) || !strings.Contains(err.Error(), doingQueue) {
			t.Errorf("with panics it says %v", err)
		}
		time.Sleep(time.Minute)
		o.end(t)
		if queue.count(models.InvitationSent) != 3 || connections != 2 || o.Ready() != nil {
			t.Errorf("%d sent, %d connections, %v", queue.count(models.InvitationSent), connections, o.Ready())
		}
		o.panics(t, 4)
		if n := testutil.ToFloat64(o.metrics.errors.With(prometheus.Labels{"operation": doingRound})); n != 2 {
			t.Errorf("%v failures are counted", n)
		}
	})
}

// The outcome of a message whose sending panicked is unknown: no transport sends it
// again, and the others are not affected.
func TestPanicOfASender(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			queue := &memoryQueue{}
			queue.add(models.Email, 3)
			mails := newFakeSender(func(_ context.Context, m *models.InvitationMessage, _ int) error {
				if m.ID == (models.UUID{2}) {
					panic(m.Recipient)
				}
				return nil
			})
			transport := byEmail(mails)
			transport.Repeatable = repeatable
			o := newRig(t, queue, transport).start(t)
			time.Sleep(24 * time.Hour)
			o.end(t)
			if queue.count(models.InvitationSent) != 2 || queue.count(models.InvitationUnknown) != 1 || mails.tries() != 3 {
				t.Errorf("repeatable %v: %+v", repeatable, queue.notes)
			}
			o.panics(t, 1)
			if n := o.messages(t, outcomeUnknown); n != 1 || strings.Contains(o.log.String(), claimed(models.Email).Recipient) {
				t.Errorf("%v were counted as unknown; logged %s", n, o.log)
			}
		})
	}
}
