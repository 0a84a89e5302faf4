package consumer

import (
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// commits are the offsets that a worker has done with and the broker does not
// know yet.
type commits struct {
	c          *Consumer
	generation *kafka.Generation
	offsets    map[string]map[int]int64
	again      <-chan time.Time
}

func newCommits(c *Consumer, g *kafka.Generation) *commits {
	return &commits{c: c, generation: g, offsets: map[string]map[int]int64{}}
}

func (k *commits) add(i item) {
	partitions := k.offsets[i.from.topic]
	if partitions == nil {
		partitions = map[int]int64{}
		k.offsets[i.from.topic] = partitions
	}
	partitions[i.from.partition] = i.next
	i.from.took(i.next)
}

// due delivers when offsets are waiting for another try; else it is nil.
func (k *commits) due() <-chan time.Time { return k.again }

// flush commits through the generation that the messages came with, so that a
// member that has lost its partitions cannot move their offsets. Whatever goes
// wrong does no harm: what is fetched again changes nothing.
func (k *commits) flush() {
	k.again = nil
	if len(k.offsets) == 0 {
		return
	}
	err := k.generation.CommitOffsets(k.offsets)
	switch {
	case err == nil:
		clear(k.offsets)
		k.c.metrics.commits.WithLabelValues("committed").Inc()
	case fenced(err):
		clear(k.offsets)
		k.c.metrics.commits.WithLabelValues("fenced").Inc()
		k.c.log.Info("offsets not committed: the partitions have gone to another member", "error", err)
	default:
		k.again = time.After(k.c.o.Timing.RetryMin * 5)
		k.c.metrics.commits.WithLabelValues("failed").Inc()
		k.c.log.Warn("committing offsets failed; trying again", "error", err)
	}
}

func fenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId) ||
		errors.Is(err, kafka.RebalanceInProgress)
}
