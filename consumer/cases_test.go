package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"referral/consumer/decode"
	"referral/models"
)

// brokerCases is what must hold on any broker: the embedded one, where the tests
// run fast, and a real Kafka.
var brokerCases = map[string]func(*testing.T, []string){
	"takes everything in order and in batches":            takesInOrder,
	"sets poison aside and keeps the rest":                setsPoisonAside,
	"reads headers and keeps them whole":                  keepsHeaders,
	"divides a refused batch down to the one to blame":    dividesRefusedBatches,
	"waits out a broken database without losing a thing":  waitsOutDatabase,
	"loses and doubles nothing while members come and go": survivesRebalances,
	"names messages that retention has taken":             namesGaps,
	"begins again when the topic is shorter than before":  rewinds,
	"waits for a missing topic and names it":              waitsForTopics,
	"finds new partitions":                                findsPartitions,
	"takes a message far beyond its bounds":               survivesLargeMessages,
	"passes large messages through little memory":         passesLargeMessages,
	"stops at once when idle":                             stopsIdle,
	"finishes what it was writing when stopped":           finishesWriting,
	"gives up what does not end when stopped":             givesUpWriting,
}

func runBrokerCases(t *testing.T, broker func(*testing.T) []string) {
	for _, cases := range []map[string]func(*testing.T, []string){brokerCases, transactionCases, recreatedCases} {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, broker(t))
			})
		}
	}
}

func takesInOrder(t *testing.T, brokers []string) {
	const partitions, each = 3, 400
	r := newRig(t, brokers, partitions)
	for p := range partitions {
		r.sendLeavers(int32(p), p*each+1, (p+1)*each+1)
	}
	m := r.start()
	r.untilDone(partitions * each)
	for p := range partitions {
		r.untilCommitted(r.topics.Terminated, int32(p), each)
	}
	wantOrder(t, r.store.facts())
	if largest := r.store.largest(); largest < 2 || largest > 50 {
		t.Errorf("the largest batch has %d messages, want up to 50", largest)
	}
	if got := sum(m.metrics.messages, "pbx.terminated.v1", "applied"); got != partitions*each {
		t.Errorf("%v messages counted, want %d", got, partitions*each)
	}
	r.until("no lag", func() bool { return m.lag() == 0 })
	r.until("ready", func() bool { return m.Ready() == nil })
}

// wantOrder holds the facts of every partition to the order of their accounts.
func wantOrder(t *testing.T, facts []*models.Fact) {
	t.Helper()
	last := map[int]int64{}
	for _, f := range facts {
		p := f.Provenance.Partition
		if account := f.Data.Account(); account <= last[p] {
			t.Fatalf("partition %d: account %d after %d", p, account, last[p])
		}
		last[p] = f.Data.Account()
	}
}

func setsPoisonAside(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	poison := map[string]models.BadInput{
		`not json`: models.BadUnreadable,
		structuredValue("pbx.terminated.v2", "p1", terminatedData):         models.BadUnknownType,
		structuredValue("pbx.terminated.v1", "p2", `{"account_id":"885"}`): models.BadField,
		leaver(9) + strings.Repeat(" ", decode.MaxValue):                   models.BadTooLarge,
	}
	n := 0
	for value := range poison {
		r.sendLeavers(0, n*10+1, n*10+11)
		r.send(r.topics.Terminated, 0, value)
		n++
	}
	r.must(r.client.ProduceSync(r.context(), &kgo.Record{Topic: r.topics.Terminated, Key: []byte("1")}).FirstErr()) // a tombstone
	r.sendLeavers(0, 41, 51)
	m := r.start()
	r.untilDone(55)
	r.untilCommitted(r.topics.Terminated, 0, 55)
	wantOrder(t, r.store.facts())
	if got := len(r.store.facts()); got != 50 {
		t.Errorf("%d facts, want 50", got)
	}
	for _, d := range r.store.faults() {
		want, sent := poison[string(d.Message.Value)]
		if !sent {
			want = models.BadUnreadable
		}
		if d.Err.Reason != want || d.Fact != nil {
			t.Errorf("set aside as %v, want %s", d.Err, want)
		}
	}
	if got := sum(m.metrics.deadLetters, string(models.BadUnreadable)); got != 2 {
		t.Errorf("%v unreadable messages counted, want 2", got)
	}
	if !r.log.says("a message became a dead letter", `"reason":"bad_field"`, `"topic":"`+r.topics.Terminated+`"`, `"offset"`) {
		t.Error("the log does not name the message that was set aside")
	}
}

func keepsHeaders(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	var headers []kgo.RecordHeader
	for _, h := range []models.Header{
		{Key: "content-type", Value: []byte("application/json")},
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_id", Value: []byte("1")}, {Key: "ce_source", Value: []byte("/test")},
		{Key: "ce_type", Value: []byte("pbx.terminated.v1")}, {Key: "ce_time", Value: []byte("2026-05-01T00:00:00Z")},
	} {
		headers = append(headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	headers = append(headers, kgo.RecordHeader{Key: "trace", Value: []byte{0, 0xff}}, kgo.RecordHeader{Key: "empty"})
	for _, value := range []string{terminatedData, `{}`} {
		for i := range headers {
			if headers[i].Key == "ce_id" {
				headers[i].Value = []byte(value[:2])
			}
		}
		record := &kgo.Record{Topic: r.topics.Terminated, Key: []byte{0xff}, Value: []byte(value), Headers: slices.Clone(headers)}
		r.must(r.client.ProduceSync(r.context(), record).FirstErr())
	}
	r.start()
	r.untilDone(2)
	if facts := r.store.facts(); len(facts) != 1 || facts[0].Data.Account() != 885 {
		t.Fatalf("facts: %+v", facts)
	}
	m := r.store.faults()[0].Message
	if len(m.Headers) != len(headers) || string(m.Key) != "\xff" || string(m.Value) != `{}` || m.At.IsZero() {
		t.Fatalf("not kept whole: %+v", m)
	}
	for i, h := range m.Headers {
		if h.Key != headers[i].Key || string(h.Value) != string(headers[i].Value) {
			t.Errorf("header %d is %s=%q", i, h.Key, h.Value)
		}
	}
}

type refusal struct{ error }

func (refusal) SQLState() string { return "22P05" }

func dividesRefusedBatches(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	bad := map[int64]bool{17: true, 18: true, 90: true}
	r.store.before = func(_ context.Context, batch []models.DecodedMessage) error {
		for _, f := range factsOf(batch) {
			if bad[f.Data.Account()] {
				return fmt.Errorf("storing: %w: %w", models.ErrRefused, refusal{errors.New("the secret name is refused")})
			}
		}
		return nil
	}
	r.sendLeavers(0, 1, 101)
	m := r.start()
	r.untilDone(100)
	r.untilCommitted(r.topics.Terminated, 0, 100)
	wantOrder(t, r.store.facts())
	if got := len(r.store.facts()); got != 97 {
		t.Errorf("%d facts, want 97", got)
	}
	for _, d := range r.store.faults() {
		want := models.InputError{Reason: models.BadRefused, Detail: "the database refuses the data (SQLSTATE 22P05); replay it once the cause is removed"}
		if *d.Err != want {
			t.Errorf("got %v, want %v", d.Err, want)
		}
	}
	if got := sum(m.metrics.deadLetters, string(models.BadRefused)); got != 3 {
		t.Errorf("%v refused messages counted, want 3", got)
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Error("the log quotes what the database refused")
	}
}

func waitsOutDatabase(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 2)
	var broken atomic.Bool
	broken.Store(true)
	var lost atomic.Int32
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		if broken.Load() {
			return errors.New("connection refused")
		}
		return nil
	}
	r.store.after = func() error { // committed, and nobody heard
		if lost.Add(1) <= 3 {
			return errors.New("connection lost at commit")
		}
		return nil
	}
	r.sendLeavers(0, 1, 201)
	r.sendLeavers(1, 201, 401)
	m := r.start()
	r.until("the failure in Ready", func() bool {
		err := m.Ready()
		return err != nil && strings.Contains(err.Error(), "database") && strings.Contains(err.Error(), "connection refused")
	})
	r.until("several tries", func() bool { return sum(m.metrics.ingestErrors, "failed") >= 5 })
	if a, b := r.committed(r.topics.Terminated, 0), r.committed(r.topics.Terminated, 1); a != -1 || b != -1 {
		t.Errorf("committed up to %d and %d while nothing could be stored", a, b)
	}
	broken.Store(false)
	r.untilDone(400)
	r.untilCommitted(r.topics.Terminated, 0, 200)
	r.untilCommitted(r.topics.Terminated, 1, 200)
	r.until("ready", func() bool { return m.Ready() == nil })
	wantOrder(t, r.store.facts())
	if got := len(r.store.facts()); got != 400 {
		t.Errorf("%d facts, want 400", got)
	}
}

func survivesRebalances(t *testing.T, brokers []string) {
	const partitions, rounds, each = 4, 8, 100
	r := newRig(t, brokers, partitions)
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		if rand.IntN(10) == 0 {
			return errors.New("no luck")
		}
		return nil
	}
	r.store.after = func() error {
		if rand.IntN(20) == 0 {
			return errors.New("no luck with the answer")
		}
		return nil
	}
	stays := r.start()
	var other *member
	for round := range rounds {
		for p := range partitions {
			first := round*each + 1
			r.sendLeavers(int32(p), p*1_000_000+first, p*1_000_000+first+each)
		}
		r.until("some of the round", func() bool { return r.store.done() >= round*partitions*each })
		if round%2 == 0 {
			other = r.start()
			r.until("the other member has joined", func() bool { return sum(other.metrics.generations) > 0 })
		} else {
			other.leave()
		}
	}
	r.untilDone(partitions * rounds * each)
	for p := range partitions {
		r.untilCommitted(r.topics.Terminated, int32(p), rounds*each)
	}
	wantOrder(t, r.store.facts())
	if got := len(r.store.facts()); got != partitions*rounds*each {
		t.Errorf("%d facts, want %d", got, partitions*rounds*each)
	}
	r.until("ready", func() bool { return stays.Ready() == nil })
}

func namesGaps(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	r.sendLeavers(0, 1, 11)
	first := r.start()
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	first.leave()
	r.sendLeavers(0, 11, 51)
	r.forget(r.topics.Terminated, 0, 30)
	second := r.start()
	r.untilDone(30)
	r.untilCommitted(r.topics.Terminated, 0, 50)
	if got := sum(second.metrics.gaps, r.topics.Terminated); got != 20 {
		t.Errorf("a gap of %v messages counted, want 20", got)
	}
	if !r.log.says(`"level":"ERROR"`, "messages are lost", r.topics.Terminated, `"from_offset":10`, `"to_offset":30`, `"lost":20`) {
		t.Error("the log does not name the gap\n" + r.log.String())
	}
	facts := r.store.facts()
	if got := facts[10].Data.Account(); got != 31 {
		t.Errorf("goes on with account %d, want 31", got)
	}
	second.leave()
	third := r.start()
	r.sendLeavers(0, 51, 52)
	r.untilDone(31)
	if got := sum(third.metrics.gaps); got != 0 {
		t.Errorf("the gap is counted again: %v", got)
	}
}

func rewinds(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	r.sendLeavers(0, 1, 11)
	r.commit(r.topics.Terminated, 0, 1000)
	m := r.start()
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	if got := sum(m.metrics.rewinds, r.topics.Terminated); got != 1 {
		t.Errorf("%v rewinds counted, want 1", got)
	}
	if !r.log.says(`"level":"ERROR"`, "ends before the committed offset", `"committed":1000`, `"end_offset":10`) {
		t.Error("the log does not name the topic")
	}
}

func waitsForTopics(t *testing.T, brokers []string) {
	r := bareRig(t, brokers)
	for _, topic := range r.topics.All()[1:] {
		r.createTopic(topic, 1, nil)
	}
	m := r.start()
	missing := r.topics.Registered
	r.until("the missing topic in Ready and in the log", func() bool {
		err := m.Ready()
		return err != nil && strings.Contains(err.Error(), "topic "+missing) && r.log.says("not in the consumer group", missing)
	})
	if got := sum(m.metrics.generations); got != 0 {
		t.Errorf("joined the group %v times without the topic", got)
	}
	r.createTopic(missing, 1, nil)
	r.send(missing, 0, structuredValue("pbx.registered.v1", "1", registeredData))
	r.untilDone(1)
	r.until("ready", func() bool { return m.Ready() == nil })
}

func findsPartitions(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	r.start()
	r.sendLeavers(0, 1, 2)
	r.untilDone(1)
	r.addPartitions(r.topics.Terminated, 2)
	r.until("the new partition takes a message", func() bool {
		r.client.ForceMetadataRefresh()
		record := &kgo.Record{Topic: r.topics.Terminated, Partition: 1, Value: []byte(leaver(2))}
		return r.client.ProduceSync(r.context(), record).FirstErr() == nil
	})
	r.untilDone(2)
}

func survivesLargeMessages(t *testing.T, brokers []string) {
	r := bareRig(t, brokers)
	for _, topic := range r.topics.All() {
		r.createTopic(topic, 1, map[string]string{"max.message.bytes": "9000000"})
	}
	big := structuredValue("pbx.terminated.v1", "big", `{"filler":"`+noise(3<<20)+`"}`)
	larger := structuredValue("pbx.terminated.v1", "larger", `{"filler":"`+noise(6<<20)+`"}`)
	r.send(r.topics.Terminated, 0, leaver(1))
	r.send(r.topics.Terminated, 0, big)
	r.send(r.topics.Terminated, 0, leaver(2))
	r.send(r.topics.Terminated, 0, larger)
	r.send(r.topics.Terminated, 0, leaver(3))
	r.start()
	r.untilDone(5)
	r.untilCommitted(r.topics.Terminated, 0, 5)
	wantOrder(t, r.store.facts())
	var sizes []int
	for _, d := range r.store.faults() {
		if d.Err.Reason != models.BadTooLarge {
			t.Errorf("set aside as %v", d.Err)
		}
		sizes = append(sizes, len(d.Message.Value))
	}
	if want := []int{len(big), len(larger)}; !slices.Equal(sizes, want) {
		t.Errorf("set aside with %v bytes, want %v: whole", sizes, want)
	}
}

// noise is text that does not compress.
func noise(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

func passesLargeMessages(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 2)
	for n := range 20 {
		r.send(r.topics.Terminated, int32(n%2), edit(leaver(n+1), `{"account_id"`, `{"filler":"`+noise(200_000)+`","account_id"`))
	}
	r.start(func(o *Options) { o.Timing.InFlight = 300_000 })
	r.untilDone(20)
	wantOrder(t, r.store.facts())
	if largest := r.store.largest(); largest != 1 {
		t.Errorf("%d messages in one batch, where memory has room for one", largest)
	}
}

func stopsIdle(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 2)
	m := r.start(func(o *Options) { o.Timing.MaxWait = 30 * time.Second })
	r.until("ready", func() bool { return m.Ready() == nil })
	r.sendLeavers(0, 1, 2)
	r.untilDone(1)
	m.leave()
	if err := m.Ready(); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("ready after the stop: %v", err)
	}
}

func finishesWriting(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	began, finish := make(chan struct{}), make(chan struct{})
	r.store.before = func(context.Context, []models.DecodedMessage) error {
		close(began)
		<-finish
		return nil
	}
	r.sendLeavers(0, 1, 11)
	m := r.start()
	<-began
	m.stop()
	close(finish)
	<-m.done
	if got, want := r.committed(r.topics.Terminated, 0), int64(len(r.store.facts())); got != want || got == 0 {
		t.Errorf("committed up to %d, stored %d", got, want)
	}
}

func givesUpWriting(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	began := make(chan struct{}, 10)
	r.store.before = func(ctx context.Context, _ []models.DecodedMessage) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	r.sendLeavers(0, 1, 11)
	m := r.start(func(o *Options) { o.Timing.StopGrace = 50 * time.Millisecond })
	<-began
	m.leave()
	if got := r.committed(r.topics.Terminated, 0); got != -1 {
		t.Errorf("committed up to %d, though nothing was stored", got)
	}
}
