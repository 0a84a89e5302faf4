package consumer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"referral/models"
)

// recreatedCases is what the contract says of topics that are deleted and made
// again.
var recreatedCases = map[string]func(*testing.T, []string){
	"reads a topic again that was made again while it ran":       readsRecreated,
	"reads a topic again that was made again after a while":      readsRecreatedLater,
	"reads a topic again that was made again during a fetch":     readsRecreatedDuringFetch,
	"reads a topic again that was made again while it was away":  readsRecreatedWhileAway,
	"names a topic made again though its offsets are forgotten":  namesRecreatedWithoutOffsets,
	"reads a topic that was made again with more partitions":     func(t *testing.T, b []string) { readsResized(t, b, 2, 3) },
	"reads a topic that was made again with fewer partitions":    func(t *testing.T, b []string) { readsResized(t, b, 3, 1) },
	"names what was lost with a topic that was made again":       namesLostWithTopic,
	"names the topic of an offset that was committed without it": namesTopicOfOffset,
}

func (r *rig) deleteTopic(name string) {
	r.t.Helper()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 10_000
	request.TopicNames = []string{name}
	request.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	// The client asks again when an answer is late, and then the topic is gone.
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); !errors.Is(err, kerr.UnknownTopicID) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		r.must(err)
	}
}

// recreate deletes a topic and makes it again.
func (r *rig) recreate(name string, partitions int32) {
	r.t.Helper()
	old := r.topicID(name)
	r.deleteTopic(name)
	r.createTopic(name, partitions, nil)
	// A broker may learn of the deletion after the controller has answered.
	r.until("the new topic", func() bool { return old == topicID{} || r.topicID(name) != old })
	r.client = r.newClient() // it must not send to the topic that was
}

func (r *rig) topicID(name string) topicID {
	r.t.Helper()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	return answer.Topics[0].TopicID
}

// metadata is what the group keeps with its offset in a partition.
func (r *rig) metadata(topic string, partition int32) string {
	r.t.Helper()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Groups = []kmsg.OffsetFetchRequestGroup{{Group: r.group, MemberEpoch: -1,
		Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}}}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	for _, group := range answer.Groups {
		for _, topic := range group.Topics {
			if kept := topic.Partitions[0].Metadata; kept != nil {
				return *kept
			}
		}
	}
	return ""
}

func readsRecreated(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	m := r.start()
	r.sendLeavers(0, 1, 11)
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	r.recreate(r.topics.Terminated, 1)
	r.sendLeavers(0, 11, 41)
	r.untilDone(40)
	r.untilCommitted(r.topics.Terminated, 0, 30)
	wantOrder(t, r.store.facts())
	r.wantRecreated(m)
	m.wantReady()
}

// readsRecreatedLater has the topic away for long enough that the group waits for
// it.
func readsRecreatedLater(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	m := r.start()
	r.sendLeavers(0, 1, 11)
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	r.deleteTopic(r.topics.Terminated)
	m.wantUnready("topic " + r.topics.Terminated)
	r.createTopic(r.topics.Terminated, 1, nil)
	r.client = r.newClient()
	r.sendLeavers(0, 11, 41)
	r.untilDone(40)
	r.untilCommitted(r.topics.Terminated, 0, 30)
	wantOrder(t, r.store.facts())
	r.wantRecreated(m)
	m.wantReady()
}

// readsRecreatedDuringFetch has the topic made again while a fetch waits for
// messages of the old one.
func readsRecreatedDuringFetch(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	m := r.start(func(o *Options) { o.Timing.MaxWait = 5 * time.Second })
	r.sendLeavers(0, 1, 11)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	r.recreate(r.topics.Terminated, 1)
	r.sendLeavers(0, 11, 41)
	r.untilDone(40)
	r.untilCommitted(r.topics.Terminated, 0, 30)
	r.wantRecreated(m)
}

func (r *rig) wantRecreated(m *member) {
	r.t.Helper()
	if got := sum(m.metrics.recreated, r.topics.Terminated); got != 1 {
		r.t.Errorf("%v topics made again counted, want 1", got)
	}
	if !r.log.says(`"level":"ERROR"`, "deleted and made again", r.topics.Terminated, "old_topic_id", "new_topic_id", `"read_up_to_offset":10`) {
		r.t.Error("the log does not name the topic\n" + r.log.String())
	}
}

func readsRecreatedWhileAway(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	first := r.start()
	r.sendLeavers(0, 1, 11)
	r.untilDone(10)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	kept := r.metadata(r.topics.Terminated, 0)
	first.leave()
	r.recreate(r.topics.Terminated, 1)
	r.sendLeavers(0, 11, 41)
	// A broker may forget the offsets of a topic that it deletes, or may not.
	r.commitFor(r.topics.Terminated, 0, 10, kept)
	second := r.start()
	r.untilDone(40)
	r.untilCommitted(r.topics.Terminated, 0, 30)
	r.wantRecreated(second)
	second.leave()
	third := r.start()
	r.sendLeavers(0, 41, 42)
	r.untilDone(41)
	if got := sum(third.metrics.recreated); got != 0 {
		t.Errorf("the topic made again is counted again: %v", got)
	}
}

// namesRecreatedWithoutOffsets has the group's offsets deleted with the topic, as
// brokers do.
func namesRecreatedWithoutOffsets(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	first := r.start()
	r.sendLeavers(0, 1, 11)
	r.untilCommitted(r.topics.Terminated, 0, 10)
	if got := sum(first.metrics.recreated); got != 0 {
		t.Errorf("%v topics made again counted at the first start, want none", got)
	}
	first.leave()
	r.recreate(r.topics.Terminated, 1)
	r.forgetOffsets(r.topics.Terminated)
	r.sendLeavers(0, 11, 41)
	second := r.start()
	r.untilDone(40)
	if got := sum(second.metrics.recreated, r.topics.Terminated); got != 1 {
		t.Errorf("%v topics made again counted, want 1", got)
	}
	if !r.log.says(`"level":"ERROR"`, "deleted and made again", r.topics.Terminated, "old_topic_id") {
		t.Error("the log does not name the topic\n" + r.log.String())
	}
}

func (r *rig) forgetOffsets(topic string) {
	r.t.Helper()
	request := kmsg.NewPtrOffsetDeleteRequest()
	request.Group = r.group
	request.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	answer, err := request.RequestWith(r.context(), r.client)
	r.must(err)
	r.must(kerr.ErrorForCode(answer.ErrorCode))
}

func readsResized(t *testing.T, brokers []string, before, after int32) {
	r := newRig(t, brokers, before)
	r.start()
	for p := range before {
		r.sendLeavers(p, int(p)*1000+1, int(p)*1000+11)
	}
	r.untilDone(int(before) * 10)
	for p := range before {
		r.untilCommitted(r.topics.Terminated, p, 10)
	}
	r.recreate(r.topics.Terminated, after)
	for p := range after {
		r.sendLeavers(p, int(p)*1000+11, int(p)*1000+41)
	}
	r.untilDone(int(before)*10 + int(after)*30)
	for p := range after {
		r.untilCommitted(r.topics.Terminated, p, 30)
	}
	wantOrder(t, r.store.facts())
}

// namesLostWithTopic deletes a topic of which the consumer has not yet fetched
// all that it has heard of.
func namesLostWithTopic(t *testing.T, brokers []string) {
	const messages = 80 // more bytes than one fetch asks for
	r := newRig(t, brokers, 1)
	open := make(chan struct{})
	r.store.before = func(ctx context.Context, _ []models.DecodedMessage) error {
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for n := range messages {
		r.send(r.topics.Terminated, 0, edit(leaver(n+1), `{"account_id"`, `{"filler":"`+noise(100_000)+`","account_id"`))
	}
	m := r.start(func(o *Options) { o.Timing.InFlight = 1 << 20 })
	r.until("the end of the topic", func() bool { return m.lag() == messages })
	r.recreate(r.topics.Terminated, 1)
	r.sendLeavers(0, 1001, 1011)
	close(open)
	r.until("the last message of the new topic", func() bool {
		facts := r.store.facts()
		return len(facts) > 0 && facts[len(facts)-1].Data.Account() == 1010
	})
	lost := sum(m.metrics.gaps, r.topics.Terminated)
	if taken := len(r.store.facts()) - 10; lost == 0 || taken+int(lost) != messages {
		t.Errorf("%d messages taken and %v named as lost, of %d", taken, lost, messages)
	}
	if !r.log.says(`"level":"ERROR"`, "deleted and made again", "messages of the old one are lost", `"from_offset"`, `"to_offset":80`) {
		t.Error("the log does not name what is lost\n" + r.log.String())
	}
}

func namesTopicOfOffset(t *testing.T, brokers []string) {
	r := newRig(t, brokers, 1)
	r.sendLeavers(0, 1, 11)
	r.commitFor(r.topics.Terminated, 0, 10, "")
	r.start()
	r.until("the id of the topic with the offset", func() bool { return r.metadata(r.topics.Terminated, 0) != "" })
	if got := r.committed(r.topics.Terminated, 0); got != 10 {
		t.Errorf("committed up to %d, want 10 as before", got)
	}
}

// Some brokers know the ids of topics and do
// not take them when fetching, and some know none.
func TestConsumerOnOldBrokers(t *testing.T) {
	t.Run("ids that cannot be fetched by", func(t *testing.T) {
		t.Parallel()
		readsRecreated(t, embedded(t, kfake.MaxVersions(kversion.V3_0_0())).ListenAddrs())
	})
	t.Run("no ids", func(t *testing.T) {
		t.Parallel()
		brokers := embedded(t, kfake.MaxVersions(kversion.V2_7_0())).ListenAddrs()
		rewinds(t, brokers)
		takesCommitted(t, brokers)
	})
}
