package kafka

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

// Only an invitation that was certainly not written may be sent by another transport.
func TestInvitationsInDoubt(t *testing.T) {
	for _, c := range []struct {
		name string
		err  *kerr.Error
		want error // nil: in doubt
	}{
		{"no leader", kerr.NotLeaderForPartition, models.ErrTransportUnreachable},
		{"too few replicas", kerr.NotEnoughReplicas, models.ErrTransportUnreachable},
		{"no right", kerr.TopicAuthorizationFailed, models.ErrTransportUnreachable},
		{"too large", kerr.MessageTooLarge, models.ErrMessageRefused},
		{"written, but on too few replicas", kerr.NotEnoughReplicasAfterAppend, nil},
		{"not confirmed in time", kerr.RequestTimedOut, nil},
		{"out of order", kerr.UnknownServerError, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			broker := fakeBroker(t)
			broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: fakeTopic, Err: c.err, Count: 1})
			hasFailed(t, broker, nil, c.want)
		})
	}
	t.Run("the answer is lost", func(t *testing.T) {
		broker := fakeBroker(t)
		hasFailed(t, broker, &kafka.Transport{Dial: dialDeaf}, nil)
		written := int64(0)
		for _, p := range broker.PartitionInfos(fakeTopic) {
			written += p.HighWatermark
		}
		if written != 1 {
			t.Errorf("%d were written", written)
		}
	})
	t.Run("the broker goes", func(t *testing.T) {
		broker := fakeBroker(t)
		var dialed atomic.Int64 // the first connection is for questions only
		hasFailed(t, broker, &kafka.Transport{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if dialed.Add(1) > 1 {
				address = "127.0.0.1:1"
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}}, models.ErrTransportUnreachable)
	})
}

const fakeTopic = "invitations"

func fakeBroker(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, fakeTopic))
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// hasFailed sends an invitation and checks the kind of its error; nil stands for an unknown outcome.
func hasFailed(t *testing.T, broker *kfake.Cluster, transport *kafka.Transport, want error) {
	t.Helper()
	s, err := New(Options{Brokers: broker.ListenAddrs(), Topic: fakeTopic, Transport: transport, Now: time.Now})
	must(t, err)
	_, err = s.Send(t.Context(), anInvitation(885))
	for _, kind := range []error{models.ErrTransportUnreachable, models.ErrTransportBusy, models.ErrMessageRefused} {
		if errors.Is(err, kind) != errors.Is(want, kind) || err == nil {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// dialDeaf returns a connection that is lost with the answer to a produce request, which
// the broker has processed.
func dialDeaf(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	return &deafConn{Conn: c}, err
}

type deafConn struct {
	net.Conn
	produce bool // the last request was one
}

func (c *deafConn) Write(b []byte) (int, error) {
	// A request begins with its size and its key; produce is key 0.
	if len(b) >= 6 {
		c.produce = b[4] == 0 && b[5] == 0
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.produce && err == nil {
		return 0, errors.Join(net.ErrClosed, c.Close())
	}
	return n, err
}
