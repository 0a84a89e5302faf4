package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"referral/models"
)

// wantUnready waits until Ready holds all the words.
func (m *member) wantUnready(words ...string) {
	m.r.t.Helper()
	m.r.until("unready with "+strings.Join(words, ", "), func() bool {
		err := m.Ready()
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				return false
			}
		}
		return true
	})
}

func (m *member) wantReady() {
	m.r.t.Helper()
	m.r.until("ready", func() bool { return m.Ready() == nil })
}

func TestConsumerWaitsForABroker(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	gate := &gate{}
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) { o.Dialer = &kafka.Dialer{DialFunc: gate.dial} })
	m.wantUnready("broker", "no way through")
	gate.open.Store(true)
	r.untilDone(10)
	m.wantReady()
}

// gate is a network that can be out of order.
type gate struct{ open atomic.Bool }

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !g.open.Load() {
		return nil, errors.New("no way through")
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func TestConsumerSurvivesAMovingCluster(t *testing.T) {
	t.Parallel()
	const rounds, each = 10, 50
	cluster := embedded(t, kfake.NumBrokers(3))
	r := newRig(t, cluster.ListenAddrs(), 2)
	m := r.start()
	for round := range rounds {
		r.sendLeavers(0, round*each+1, (round+1)*each+1)
		r.sendLeavers(1, 1_000_000+round*each+1, 1_000_000+(round+1)*each+1)
		switch round % 3 {
		case 0:
			cluster.ShufflePartitionLeaders()
		case 1:
			cluster.RehashCoordinators()
		case 2: // every fetch connection is cut once
			cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				return nil, errors.New("cut"), true
			})
		}
	}
	r.untilDone(2 * rounds * each)
	r.untilCommitted(r.topics.Terminated, 0, rounds*each)
	r.untilCommitted(r.topics.Terminated, 1, rounds*each)
	wantOrder(t, r.store.facts())
	if got := len(r.store.facts()); got != 2*rounds*each {
		t.Errorf("%d facts, want %d", got, 2*rounds*each)
	}
	m.wantReady()
}

func TestConsumerSurvivesARestartOfTheBroker(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(directory))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, cluster.ListenAddrs(), 1)
	_, port, _ := net.SplitHostPort(cluster.ListenAddrs()[0])
	r.sendLeavers(0, 1, 11)
	m := r.start()
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	cluster.Close()
	m.wantUnready("broker")
	var number int
	_, _ = fmt.Sscan(port, &number)
	embedded(t, kfake.DataDir(directory), kfake.Ports(number))
	r.sendLeavers(0, 11, 21)
	r.untilDone(20)
	r.untilCommitted(r.topics.Terminated, 0, 20)
	m.wantReady()
}

func TestConsumerNamesAPartitionThatCannotBeRead(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	fault := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: r.topics.Terminated, Err: kerr.KafkaStorageError, Count: -1})
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) { o.Timing.StallAfter = 200 * time.Millisecond })
	m.wantUnready(r.topics.Terminated+"/0", "Kafka Storage Error")
	r.until("the watchdog", func() bool { return sum(m.metrics.stalls, r.topics.Terminated) >= 2 })
	if generations := sum(m.metrics.generations); generations < 2 {
		t.Errorf("%v generations, want another for every stall", generations)
	}
	if !r.log.says("no progress though messages wait", r.topics.Terminated) {
		t.Error("the log does not name the partition")
	}
	fault.Remove()
	r.untilDone(10)
	m.wantReady()
}

func TestConsumerCommitsAgain(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: 3})
	r.sendLeavers(0, 1, 11)
	m := r.start()
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	if got := sum(m.metrics.commits, "failed"); got < 3 {
		t.Errorf("%v failed commits counted, want 3", got)
	}
}

func TestConsumerLetsAnotherMembersOffsetsBe(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.IllegalGeneration, Count: 1})
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) { o.BatchSize = 10; o.Linger = time.Minute })
	r.until("the refused commit", func() bool { return sum(m.metrics.commits, "fenced") == 1 })
	if got := r.committed(r.topics.Terminated, 0); got != -1 {
		t.Errorf("committed up to %d through an old generation", got)
	}
	r.sendLeavers(0, 11, 21)
	r.untilCommitted(r.topics.Terminated, 0, 20)
}

func TestConsumerNoticesATopicThatGoes(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	m := r.start()
	r.sendLeavers(0, 1, 11)
	r.untilDone(10)
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 10_000
	request.TopicNames = []string{r.topics.Results}
	request.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &r.topics.Results}}
	_, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	m.wantUnready("topic " + r.topics.Results)
	joined := sum(m.metrics.generations)
	r.createTopic(r.topics.Results, 1, nil)
	m.wantReady()
	if again := sum(m.metrics.generations) - joined; again > 3 {
		t.Errorf("joined %v times over one topic", again)
	}
}

func TestConsumerKeepsTheLagWhileTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	var up atomic.Bool
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		if up.Load() {
			return nil
		}
		return errors.New("down")
	}
	m := r.start(func(o *Options) { o.BatchSize = 5; o.Timing.StallAfter = 8 * time.Second }) // it asks for the lag every eighth of that
	r.sendLeavers(0, 1, 101)
	r.until("a lag of 100", func() bool { return m.lag() == 100 })
	r.sendLeavers(0, 101, 201)
	r.until("a lag of 200", func() bool { return m.lag() == 200 })
	if got := sum(m.metrics.stalls); got != 0 {
		t.Errorf("%v stalls counted, though only the database is to blame", got)
	}
	up.Store(true)
	r.untilDone(200)
	r.until("no lag", func() bool { return m.lag() == 0 })
	if got := sum(m.metrics.generations); got != 1 {
		t.Errorf("joined %v times, though only the database was to blame", got)
	}
}

func TestAPartitionThatWaitsForTheDatabaseIsNotStalled(t *testing.T) {
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	r := &partitionReader{c: &Consumer{o: Options{Now: func() time.Time { return now }, Timing: Timing{StallAfter: time.Minute}}}}
	r.progressed()
	now = now.Add(time.Minute)
	if r.stalled() {
		t.Error("stalled after a minute sharp")
	}
	now = now.Add(time.Second)
	if !r.stalled() {
		t.Error("not stalled after more than a minute")
	}
	r.blocked.Store(true)
	if r.stalled() {
		t.Error("stalled though it is the worker that holds it up")
	}
}

func TestConsumerSetsAsideWhatTheRulesStopAt(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	r.sendLeavers(0, 1, 31)
	r.start(func(o *Options) {
		o.Derive = func(_ *models.WorkingSet, facts []*models.Fact) models.Changes {
			for _, f := range facts {
				if f.Data.Account() == 13 {
					panic("money overflow")
				}
			}
			return models.Changes{}
		}
	})
	r.untilDone(30)
	faults := r.store.faults()
	if len(faults) != 1 || faults[0].Err.Reason != models.BadRefused || faults[0].Message.Origin.Offset != 12 {
		t.Errorf("set aside: %+v", faults)
	}
	if !r.log.says("recovered from a panic", "stack", "faults_test.go") {
		t.Error("the log does not say where the rules stopped")
	}
}

func TestConsumerSurvivesABrokenStorage(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	var calls atomic.Int32
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		if calls.Add(1) < 4 {
			panic("index out of range")
		}
		return nil
	}
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) { o.Store = &forgetful{Store: r.store} })
	r.until("complaints", func() bool { return r.log.says("storing failed", "did not answer for every message") })
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	if got := len(r.store.faults()); got != 0 {
		t.Errorf("%d messages set aside for a defect that is not theirs", got)
	}
	if got := sum(m.metrics.ingestErrors, "failed"); got != 4 {
		t.Errorf("%v failures counted, want 4", got)
	}
}

func TestConsumerGivesUpOnASilentDatabase(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	var calls atomic.Int32
	r.store.before = func(ctx context.Context, _ []models.DecodedMessage) error {
		if calls.Add(1) > 1 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	r.sendLeavers(0, 1, 11)
	r.start(func(o *Options) { o.Timing.IngestTimeout = 50 * time.Millisecond })
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
}

// forgetful leaves out its first answer.
type forgetful struct {
	Store
	told atomic.Bool
}

func (f *forgetful) Ingest(ctx context.Context, batch []models.DecodedMessage,
	derive func(*models.WorkingSet, []*models.Fact) models.Changes) ([]models.Disposition, error) {
	out, err := f.Store.Ingest(ctx, batch, derive)
	if err == nil && !f.told.Swap(true) {
		return nil, nil
	}
	return out, err
}

func TestConsumerHoldsAFaultThatCannotEvenBeSetAside(t *testing.T) {
	t.Parallel()
	r := newRig(t, embedded(t).ListenAddrs(), 1)
	var repaired atomic.Bool
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		if repaired.Load() {
			return nil
		}
		return models.ErrRefused
	}
	r.sendLeavers(0, 1, 2)
	m := r.start()
	m.wantUnready("database", models.ErrRefused.Error())
	r.until("several tries", func() bool { return sum(m.metrics.ingestErrors, "failed") >= 3 })
	repaired.Store(true)
	r.untilDone(1)
	if got := r.store.faults(); len(got) != 1 || got[0].Err.Reason != models.BadRefused {
		t.Errorf("set aside: %+v", got)
	}
}

func TestConsumerStopsWithABrokerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r := bareRig(t, []string{listener.Addr().String()})
	m := r.start(func(o *Options) { o.Timing.AnswerTimeout = 50 * time.Millisecond })
	m.wantUnready("broker", listener.Addr().String())
	m.leave()
}

func TestConsumerStopsWhileTheGroupNeverAnswers(t *testing.T) {
	t.Parallel()
	cluster := embedded(t)
	r := newRig(t, cluster.ListenAddrs(), 1)
	asked := make(chan struct{}, 100)
	cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		asked <- struct{}{}
		return nil, nil, true
	})
	m := r.start(func(o *Options) { o.Timing.StopGrace = 100 * time.Millisecond })
	<-asked
	m.leave()
}

func TestConsumerSpeaksSASL(t *testing.T) {
	t.Parallel()
	cluster := embedded(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "referral", "right"))
	r := bareRig(t, cluster.ListenAddrs())
	m := r.start(func(o *Options) {
		o.Dialer = &kafka.Dialer{SASLMechanism: plain.Mechanism{Username: "referral", Password: "wrong"}}
	})
	m.wantUnready("broker", "SASL")
	if strings.Contains(r.log.String(), "wrong") {
		t.Error("the log has the password")
	}
	right := r.start(func(o *Options) {
		o.Dialer = &kafka.Dialer{SASLMechanism: plain.Mechanism{Username: "referral", Password: "right"}}
	})
	right.wantUnready("topic " + r.topics.Terminated)
}

func TestConsumerSpeaksTLS(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil)
	t.Cleanup(certified.Close)
	cluster := embedded(t, kfake.TLS(&tls.Config{Certificates: certified.TLS.Certificates}))
	trust := certified.Client().Transport.(*http.Transport).TLSClientConfig
	r := bareRig(t, cluster.ListenAddrs())
	m := r.start(func(o *Options) { o.Dialer = &kafka.Dialer{TLS: &tls.Config{}} })
	m.wantUnready("broker", "certificate")
	r.client = r.newClient(kgo.DialTLSConfig(trust))
	for _, topic := range r.topics.All() {
		r.createTopic(topic, 1, nil)
	}
	r.sendLeavers(0, 1, 11)
	trusting := r.start(func(o *Options) { o.Dialer = &kafka.Dialer{TLS: trust} })
	r.untilDone(10)
	trusting.wantReady()
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	r := &rig{brokers: []string{"localhost:1"}, group: "g", topics: topics, store: newMemory(), log: &logbook{}}
	for want, change := range map[string]func(*Options){
		"no brokers":       func(o *Options) { o.Brokers = nil },
		"no group":         func(o *Options) { o.Group = "" },
		"Store and Derive": func(o *Options) { o.Store = nil },
		"below zero":       func(o *Options) { o.Workers = -1 },
		"no name":          func(o *Options) { o.Topics.Invoices = "" },
	} {
		if _, err := New(r.options(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	o := r.options()
	if _, err := New(o); err != nil {
		t.Error(err)
	}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "metrics") {
		t.Errorf("metrics registered twice: %v", err)
	}
}
