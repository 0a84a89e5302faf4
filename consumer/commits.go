package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// commits are the offsets that a worker has done with and the broker does not
// know yet. They are committed while the worker goes on with its next batch:
// losing some of them does no harm, because what is fetched again changes nothing.
type commits struct {
	c       *Consumer
	group   groupMember
	offsets offsets
	sent    bool             // some are on their way to the broker
	answers chan answer      // of the broker, for those sent
	again   <-chan time.Time // when offsets wait for another try
}

// offsets are where to go on.
type offsets map[topicPartition]offset

// offset is a position in a topic: one in another topic of the same name, made
// after the first was deleted, is another position.
type offset struct {
	next int64
	id   topicID
}

// answer is what became of a commit: the offsets that were not committed, and why.
type answer struct {
	failed offsets
	err    error
}

// groupMember commits offsets, and asks for those committed. It does not use the
// generation's own way of kafka-go, which carries no metadata.
type groupMember struct {
	client     *kafka.Client
	group      string
	member     string
	generation int
	timeout    time.Duration
}

// topicIDKey introduces the id of its topic in what is kept with an offset.
const topicIDKey = "topic-id="

// commit sends offsets through the generation that their messages came with, so
// that a member that has lost its partitions cannot move their offsets.
func (m groupMember) commit(sent offsets) answer {
	ctx, cancel := context.WithTimeout(context.Background(), m.timeout)
	defer cancel()
	request := &kafka.OffsetCommitRequest{
		GroupID: m.group, GenerationID: m.generation, MemberID: m.member, Topics: map[string][]kafka.OffsetCommit{},
	}
	for at, o := range sent {
		commit := kafka.OffsetCommit{Partition: at.partition, Offset: o.next}
		if o.id.known() {
			commit.Metadata = topicIDKey + o.id.String()
		}
		request.Topics[at.topic] = append(request.Topics[at.topic], commit)
	}
	response, err := m.client.OffsetCommit(ctx, request)
	if err != nil {
		return answer{sent, err}
	}
	a := answer{failed: offsets{}}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				at := topicPartition{topic, p.Partition}
				a.failed[at], a.err = sent[at], fmt.Errorf("%s: %w", at.name(), p.Error)
			}
		}
	}
	return a
}

// committed asks for the group's offsets, with the topics that they belong to.
func (m groupMember) committed(ctx context.Context, places []topicPartition) (offsets, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	request := &kafka.OffsetFetchRequest{GroupID: m.group, Topics: map[string][]int{}}
	for _, at := range places {
		request.Topics[at.topic] = append(request.Topics[at.topic], at.partition)
	}
	response, err := m.client.OffsetFetch(ctx, request)
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return nil, err
	}
	known := offsets{}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("%s/%d: %w", topic, p.Partition, p.Error)
			}
			id, _ := strings.CutPrefix(p.Metadata, topicIDKey)
			known[topicPartition{topic, p.Partition}] = offset{p.CommittedOffset, parseTopicID(id)}
		}
	}
	return known, nil
}

func newCommits(c *Consumer, group groupMember) *commits {
	return &commits{c: c, group: group, offsets: offsets{}, answers: make(chan answer, 1)}
}

func (k *commits) add(i item) {
	k.offsets[i.from.topicPartition] = offset{i.next, i.id}
	i.from.position.stored(k.c.o.Now(), i.next)
}

// due delivers when offsets are waiting for another try; else it is nil.
func (k *commits) due() <-chan time.Time { return k.again }

// flush has the offsets committed. One commit at a time is on its way: with its
// answer, the next one goes.
func (k *commits) flush() {
	if len(k.offsets) == 0 || k.sent {
		return
	}
	sent := k.offsets
	k.again, k.sent, k.offsets = nil, true, offsets{}
	go func() {
		a := answer{failed: sent}
		if err := k.c.guard.Do(func() error { a = k.group.commit(sent); return nil }); err != nil {
			a.err = err
		}
		k.answers <- a
	}()
}

// answered takes the broker's answer, and sends what has come together since.
func (k *commits) answered(a answer) {
	k.sent = false
	switch {
	case a.err == nil:
		k.c.metrics.commits.WithLabelValues("committed").Inc()
	case fenced(a.err):
		clear(k.offsets)
		k.c.metrics.commits.WithLabelValues("fenced").Inc()
		k.c.log.Info("offsets not committed: the partitions have gone to another member", "error", a.err)
	default:
		k.putBack(a.failed)
		k.again = time.After(k.c.o.Timing.RetryMin * 5)
		k.c.metrics.commits.WithLabelValues("failed").Inc()
		k.c.log.Warn("committing offsets failed; trying again", "error", a.err)
		return
	}
	k.flush()
}

// putBack has offsets sent again, where none has come to replace them.
func (k *commits) putBack(failed offsets) {
	for at, o := range failed {
		if _, newer := k.offsets[at]; !newer {
			k.offsets[at] = o
		}
	}
}

// finish commits what is left, and waits for the answers.
func (k *commits) finish() {
	k.flush()
	for k.sent {
		k.answered(<-k.answers)
	}
}

func fenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress)
}
