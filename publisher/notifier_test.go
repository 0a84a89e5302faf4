package publisher

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/models"
)

// Another carrier may take over what was provably not written, and nothing else:
// what is in doubt is told from it.
func TestInvitationsInDoubt(t *testing.T) {
	for _, c := range []struct {
		name string
		err  *kerr.Error
		want error // nil: in doubt
	}{
		{"no leader", kerr.NotLeaderForPartition, models.ErrCarrierAway},
		{"too few replicas", kerr.NotEnoughReplicas, models.ErrCarrierAway},
		{"no right", kerr.TopicAuthorizationFailed, models.ErrCarrierAway},
		{"too large", kerr.MessageTooLarge, models.ErrCarrierRefuses},
		{"written, but on too few replicas", kerr.NotEnoughReplicasAfterAppend, nil},
		{"not confirmed in time", kerr.RequestTimedOut, nil},
		{"out of order", kerr.UnknownServerError, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topics.Events, Err: c.err, Count: 1})
			w.hasFailed(t, nil, c.want)
		})
	}
	t.Run("the answer is lost", func(t *testing.T) {
		w := newWorld(t)
		deaf := &deafDialer{armed: make(chan struct{}, 1)}
		deaf.armed <- struct{}{}
		w.hasFailed(t, deaf.transport(), nil)
		if n := len(w.read(t, topics.Events)); n != 1 {
			t.Errorf("%d were written", n)
		}
	})
	t.Run("the broker goes", func(t *testing.T) {
		w := newWorld(t)
		var dialed atomic.Int64 // the first connection is for questions only
		w.hasFailed(t, &kafka.Transport{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dialed.Add(1) > 1 {
				address = "127.0.0.1:1"
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}}, models.ErrCarrierAway)
	})
}

// hasFailed sends an invitation that fails in a way; nil means that nobody knows.
func (w *world) hasFailed(t *testing.T, transport *kafka.Transport, want error) {
	t.Helper()
	n, err := NewNotifier(NotifierOptions{Brokers: w.broker.ListenAddrs(), Topic: topics.Events, Transport: transport, Now: time.Now})
	must(t, err)
	_, err = n.Send(t.Context(), invitation(885))
	for _, kind := range []error{models.ErrCarrierAway, models.ErrCarrierBusy, models.ErrCarrierRefuses} {
		if errors.Is(err, kind) != errors.Is(want, kind) || err == nil {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}
