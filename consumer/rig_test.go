package consumer

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"

	"referral/consumer/decode"
	"referral/internal/sleep"
	"referral/models"
)

// TestMain also holds the consumer to leaving nothing running behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for things that must come to pass; nothing is timed by it.
const patience = time.Minute

// rig is a broker with topics of its own, a storage, and anyone who feeds them.
type rig struct {
	t       *testing.T
	brokers []string
	topics  decode.Topics
	group   string
	client  *kgo.Client
	store   *memory
	log     *logbook
}

// newRig makes topics of so many partitions on a broker that runs.
func newRig(t *testing.T, brokers []string, partitions int32) *rig {
	t.Helper()
	r := bareRig(t, brokers)
	for _, topic := range r.topics.All() {
		r.createTopic(topic, partitions, nil)
	}
	return r
}

// bareRig makes no topics.
func bareRig(t *testing.T, brokers []string) *rig {
	t.Helper()
	name := strings.ToLower(rand.Text()[:8])
	r := &rig{t: t, brokers: brokers, group: "group-" + name, store: newMemory(), log: &logbook{}, topics: decode.Topics{
		Registered: name + ".registered", PromoEnded: name + ".promo-ended", Terminated: name + ".terminated",
		Activation: name + ".activation", Invoices: name + ".invoices", Results: name + ".results",
	}}
	r.client = r.newClient()
	return r
}

func (r *rig) newClient(more ...kgo.Opt) *kgo.Client {
	r.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8 << 20),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, more...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(client.Close)
	return client
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) createTopic(name string, partitions int32, configs map[string]string) {
	r.t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for key, value := range configs {
		topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 10_000
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(answer.Topics[0].ErrorCode))
	r.awaitPartitions(name, partitions)
}

// awaitPartitions waits until they answer: for a moment after a topic was made its
// broker may not know it yet.
func (r *rig) awaitPartitions(name string, partitions int32) {
	r.t.Helper()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p, -1
		topic.Partitions = append(topic.Partitions, partition)
	}
	ctx := r.context()
	for {
		request := kmsg.NewPtrListOffsetsRequest()
		request.ReplicaID, request.Topics = -1, []kmsg.ListOffsetsRequestTopic{topic}
		answer, err := request.RequestWith(ctx, r.client)
		if err == nil {
			err = failed(answer)
		}
		if err == nil {
			return
		}
		if !kerr.IsRetriable(err) || !sleep.For(ctx, 20*time.Millisecond) {
			r.t.Fatalf("waiting for the partitions of %s: %v", name, err)
		}
	}
}

// failed is the first error of an answer's partitions.
func failed(answer *kmsg.ListOffsetsResponse) error {
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rig) addPartitions(name string, total int32) {
	r.t.Helper()
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.TimeoutMillis = 10_000
	request.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: total}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(answer.Topics[0].ErrorCode))
	r.awaitPartitions(name, total)
}

// forget deletes what a partition holds before an offset, as retention does.
func (r *rig) forget(topic string, partition int32, before int64) {
	r.t.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.TimeoutMillis = 10_000
	request.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{
		{Partition: partition, Offset: before}}}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode))
}

// committed is the group's offset in a partition; -1 when it has none.
func (r *rig) committed(topic string, partition int32) int64 {
	r.t.Helper()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Groups = []kmsg.OffsetFetchRequestGroup{{Group: r.group, MemberEpoch: -1,
		Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}}}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	for _, group := range answer.Groups {
		for _, topic := range group.Topics {
			return topic.Partitions[0].Offset
		}
	}
	return -1
}

// commit sets the group's offset from outside, while it has no members.
func (r *rig) commit(topic string, partition int32, offset int64) {
	r.t.Helper()
	r.commitFor(topic, partition, offset, "")
}

func (r *rig) commitFor(topic string, partition int32, offset int64, metadata string) {
	r.t.Helper()
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = r.group, -1
	request.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{
		{Partition: partition, Offset: offset, LeaderEpoch: -1, Metadata: &metadata}}}}
	answer, err := request.RequestWith(r.context(), r.newClient(kgo.MaxVersions(kversion.V3_0_0()))) // later ones want ids of topics
	r.must(err)
	r.must(kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// send produces values to a partition, and waits until they are there.
func (r *rig) send(topic string, partition int32, values ...string) {
	r.t.Helper()
	var records []*kgo.Record
	for _, value := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Key: []byte("885"), Value: []byte(value)})
	}
	r.must(r.client.ProduceSync(r.context(), records...).FirstErr())
}

// sendLeavers says that the accounts [from, to) have left.
func (r *rig) sendLeavers(partition int32, from, to int) {
	r.t.Helper()
	var values []string
	for n := from; n < to; n++ {
		values = append(values, leaver(n))
	}
	r.send(r.topics.Terminated, partition, values...)
}

func leaver(account int) string {
	return structuredValue("pbx.terminated.v1", fmt.Sprintf("leave-%d", account),
		fmt.Sprintf(`{"account_id":%d,"terminated_at":"2026-07-01T12:00:00Z"}`, account))
}

// member is a consumer that runs.
type member struct {
	*Consumer
	r    *rig
	stop func()
	done chan struct{}
}

// options are those of a patient consumer in an impatient test.
func (r *rig) options(change ...func(*Options)) Options {
	o := Options{
		Brokers: r.brokers, Group: r.group, Topics: r.topics, Currency: "RUB", Store: r.store, BatchSize: 50, Linger: 5 * time.Millisecond,
		Derive:     func(*models.WorkingSet, []*models.Fact) models.Changes { return models.Changes{} },
		Log:        slog.New(slog.NewJSONHandler(r.log, nil)),
		Registerer: prometheus.NewRegistry(),
		Timing: Timing{MaxWait: 100 * time.Millisecond, RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond,
			Heartbeat: 100 * time.Millisecond, SessionTimeout: 6 * time.Second, WatchTopics: 200 * time.Millisecond},
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

func (r *rig) start(change ...func(*Options)) *member {
	r.t.Helper()
	c, err := New(r.options(change...))
	r.must(err)
	return r.run(c)
}

func (r *rig) run(c *Consumer) *member {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Consumer: c, r: r, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		if err := c.Run(ctx); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	r.t.Cleanup(m.leave)
	return m
}

// lag is what is not taken yet, as the metrics have it.
func (m *member) lag() int64 {
	var all int64
	for _, p := range m.positions.list() {
		all += p.stats(time.Now()).lag
	}
	return all
}

// gauge adds up a metric as it is shown, over the series with these labels.
func (m *member) gauge(name string, labels ...string) float64 {
	m.r.t.Helper()
	shown, err := m.o.Registerer.(*prometheus.Registry).Gather()
	m.r.must(err)
	var total float64
	for _, family := range shown {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && hasLabels(metric, labels) {
				total += metric.GetGauge().GetValue()
			}
		}
	}
	return total
}

// leave stops the consumer, which the contract gives ten seconds.
func (m *member) leave() {
	m.r.t.Helper()
	m.stop()
	select {
	case <-m.done:
	case <-time.After(10 * time.Second):
		m.r.t.Fatal("the consumer does not stop\n" + m.r.log.String())
	}
}

// until waits for something that must come to pass.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			log := r.log.String()
			r.t.Fatalf("never came: %s\n%s", what, log[max(0, len(log)-5000):])
		}
	}
}

// untilDone waits until so many messages have come to rest and all is committed.
func (r *rig) untilDone(messages int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d messages", messages), func() bool { return r.store.done() >= messages })
}

func (r *rig) untilCommitted(topic string, partition int32, offset int64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s/%d committed up to %d", topic, partition, offset),
		func() bool { return r.committed(topic, partition) == offset })
}

// sum adds up a metric over its labels, or over those that are named.
func sum(c prometheus.Collector, labels ...string) float64 {
	collected := make(chan prometheus.Metric, 1000)
	c.Collect(collected)
	close(collected)
	var total float64
	for metric := range collected {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			panic(err)
		}
		if hasLabels(&m, labels) {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return total
}

func hasLabels(m *dto.Metric, values []string) bool {
	for _, value := range values {
		found := false
		for _, label := range m.GetLabel() {
			found = found || label.GetValue() == value
		}
		if !found {
			return false
		}
	}
	return true
}

// logbook keeps what was logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// says tells whether some line holds all the words.
func (l *logbook) says(words ...string) bool {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}
