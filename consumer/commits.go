package consumer

import (
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// commits are the offsets that a worker has done with and the broker does not
// know yet. They are committed while the worker goes on with its next batch:
// whatever is lost of them does no harm, for what is fetched again changes
// nothing.
type commits struct {
	c          *Consumer
	generation *kafka.Generation
	offsets    offsets
	sent       offsets          // on their way to the broker; nil when none are
	answers    chan error       // of the broker, for those sent
	again      <-chan time.Time // when offsets wait for another try
}

// offsets are where to go on, by topic and partition.
type offsets map[string]map[int]int64

func (o offsets) of(topic string) map[int]int64 {
	if o[topic] == nil {
		o[topic] = map[int]int64{}
	}
	return o[topic]
}

func newCommits(c *Consumer, g *kafka.Generation) *commits {
	return &commits{c: c, generation: g, offsets: offsets{}, answers: make(chan error, 1)}
}

func (k *commits) add(i item) {
	k.offsets.of(i.from.topic)[i.from.partition] = i.next
	i.from.took(i.next)
}

// due delivers when offsets are waiting for another try; else it is nil.
func (k *commits) due() <-chan time.Time { return k.again }

// flush has the offsets committed through the generation that the messages came
// with, so that a member that has lost its partitions cannot move their offsets.
// One commit at a time is on its way: with its answer, the next one goes.
func (k *commits) flush() {
	if len(k.offsets) == 0 || k.sent != nil {
		return
	}
	sent := k.offsets
	k.again, k.sent, k.offsets = nil, sent, offsets{}
	go func() { k.answers <- k.generation.CommitOffsets(sent) }()
}

// answered takes the broker's answer, and sends what has come together since.
func (k *commits) answered(err error) {
	sent := k.sent
	k.sent = nil
	switch {
	case err == nil:
		k.c.metrics.commits.WithLabelValues("committed").Inc()
	case fenced(err):
		clear(k.offsets)
		k.c.metrics.commits.WithLabelValues("fenced").Inc()
		k.c.log.Info("offsets not committed: the partitions have gone to another member", "error", err)
	default:
		k.putBack(sent)
		k.again = time.After(k.c.o.Timing.RetryMin * 5)
		k.c.metrics.commits.WithLabelValues("failed").Inc()
		k.c.log.Warn("committing offsets failed; trying again", "error", err)
		return
	}
	k.flush()
}

// putBack has offsets sent again, where none has come to replace them.
func (k *commits) putBack(sent offsets) {
	for topic, partitions := range sent {
		waiting := k.offsets.of(topic)
		for partition, next := range partitions {
			if _, newer := waiting[partition]; !newer {
				waiting[partition] = next
			}
		}
	}
}

// finish commits what is left, and waits for the answers.
func (k *commits) finish() {
	k.flush()
	for k.sent != nil {
		k.answered(<-k.answers)
	}
}

func fenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress)
}
