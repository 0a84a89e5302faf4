package consumer

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/models"
)

// mine stops the first to log a message with a panic, in whichever goroutine.
type mine struct {
	slog.Handler
	at  string
	off *atomic.Bool
}

func (m mine) Handle(ctx context.Context, record slog.Record) error {
	if strings.Contains(record.Message, m.at) && !m.off.Swap(true) {
		var none []int
		_ = none[len(record.Message)]
	}
	return m.Handler.Handle(ctx, record)
}

func (m mine) WithAttrs(attrs []slog.Attr) slog.Handler {
	return mine{m.Handler.WithAttrs(attrs), m.at, m.off}
}

// panics is how many were recovered from, as the metrics have it.
func (m *member) panics() float64 {
	m.r.t.Helper()
	for _, metric := range shownIn(m.r.t, m.o.Registerer.(*prometheus.Registry), "referral_panics_total") {
		return metric.GetCounter().GetValue()
	}
	return 0
}

// Each goroutine of the consumer stops once with a panic: that is counted and
// logged, and nothing is lost.
func TestConsumerSurvivesPanics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		part, at string
		prepare  func(*rig, *kfake.Cluster)
	}{
		{"membership", "joined the group", func(*rig, *kfake.Cluster) {}},
		{"worker", "a message became a dead letter", func(r *rig, _ *kfake.Cluster) { r.send(r.topics.Results, 0, "not json") }},
		{"reader", "fetching failed", func(r *rig, cluster *kfake.Cluster) {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: r.topics.Results, Err: kerr.KafkaStorageError, Count: 1})
		}},
		{"reader", "messages are lost", func(r *rig, _ *kfake.Cluster) {
			r.send(r.topics.Results, 0, "not json", "not json")
			r.forget(r.topics.Results, 0, 2)
			r.commit(r.topics.Results, 0, 1)
		}},
		{"watch", "no progress though messages wait", func(r *rig, cluster *kfake.Cluster) {
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: r.topics.Results, Err: kerr.KafkaStorageError, Count: 30})
		}},
	} {
		t.Run(c.part+" at "+c.at, func(t *testing.T) {
			t.Parallel()
			cluster := embedded(t)
			r := newRig(t, cluster.ListenAddrs(), 1)
			r.sendLeavers(0, 1, 11)
			c.prepare(r, cluster)
			m := r.start(func(o *Options) {
				o.Timing.StallAfter = 400 * time.Millisecond
				o.Log = slog.New(mine{slog.NewJSONHandler(r.log, nil), c.at, new(atomic.Bool)})
			})
			r.until("the panic", func() bool { return m.panics() == 1 })
			r.sendLeavers(0, 11, 21)
			r.until("20 facts", func() bool { return len(r.store.facts()) == 20 })
			r.untilCommitted(r.topics.Terminated, 0, 20)
			m.wantReady()
			if !r.log.says(`"level":"ERROR"`, "recovered from a panic", "index out of range", "guard_test.go") {
				t.Error("the log does not name the place\n" + r.log.String())
			}
		})
	}
}

func TestConsumerSetsAsideWhatTheDecoderStopsAt(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	c, err := New(r.options())
	r.must(err)
	decodeMessage := c.decodeMessage
	c.decodeMessage = func(m models.Message) models.DecodedMessage {
		if bytes.Contains(m.Value, []byte(`"account_id":13,`)) {
			panic("the secret name")
		}
		return decodeMessage(m)
	}
	r.sendLeavers(0, 1, 31)
	m := r.run(c)
	r.untilDone(30)
	r.untilCommitted(r.topics.Terminated, 0, 30)
	faults := r.store.faults()
	if len(faults) != 1 || faults[0].Message.Origin.Offset != 12 || !strings.Contains(faults[0].Err.Detail, "panic") {
		t.Errorf("set aside: %+v", faults)
	}
	if got := m.panics(); got != 1 {
		t.Errorf("%v panics of the decoder counted, want 1", got)
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Error("the log quotes what the decoder stopped at")
	}
}
