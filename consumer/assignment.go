package consumer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"

	"referral/internal/tracing"
)

// assignment is the partitions of one generation, and what works on them: a reader
// for each partition, and the workers that write. A partition belongs to one worker,
// so that its order holds.
type assignment struct {
	c           *Consumer
	generation  *kafka.Generation
	connections *connections
	readers     []*partitionReader
	workers     []*worker
	ended       chan struct{}         // closed when the generation is over
	failure     atomic.Pointer[error] // of one of them, which ends the generation
	outer       context.Context       // of the consumer, with its tracer; kafka-go makes another one
}

func (c *Consumer) newAssignment(ctx context.Context, g *kafka.Generation, client *kafka.Client) (*assignment, error) {
	group := groupMember{client: client, group: g.GroupID, member: g.MemberID, generation: int(g.ID), timeout: c.o.Timing.AnswerTimeout}
	places := partitions(g)
	committed, err := group.committed(ctx, places)
	if err != nil {
		return nil, fmt.Errorf("asking for the group's offsets: %w", err)
	}
	a := &assignment{c: c, generation: g, connections: newConnections(ctx, c.o.Dialer), ended: make(chan struct{}), outer: ctx}
	for i := range c.o.Workers {
		a.workers = append(a.workers, newWorker(c, group, i))
	}
	noted, bytes := c.notedTopics(ctx), c.o.Timing.fetchBytes(len(places))
	for i, position := range c.positions.assigned(places) {
		r := &partitionReader{
			topicPartition: position.topicPartition, c: c, connections: a.connections, worker: a.workers[i%len(a.workers)], position: position,
			log:   c.log.With("topic", position.topic, "partition", position.partition),
			bytes: bytes, next: kafka.FirstOffset, id: noted[position.topic], noted: noted[position.topic],
		}
		if o, known := committed[position.topicPartition]; known && o.next >= 0 {
			r.next, r.id = o.next, o.id
		}
		a.readers = append(a.readers, r)
	}
	return a, nil
}

// notedTopics is the topics that were read last, as far as the database tells:
// without it, one that was made again is read all the same, but not named.
func (c *Consumer) notedTopics(ctx context.Context) map[string]topicID {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.AnswerTimeout)
	defer cancel()
	ids, err := c.o.Store.TopicIDs(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "asking the database for the ids of the topics read before", "error", err)
	}
	noted := map[string]topicID{}
	for topic, id := range ids {
		noted[topic] = parseTopicID(id)
	}
	return noted
}

// partitions is what the generation assigns, in a fixed order, so that each
// topic is spread evenly over the workers.
func partitions(g *kafka.Generation) []topicPartition {
	var all []topicPartition
	for topic, assigned := range g.Assignments {
		for _, p := range assigned {
			all = append(all, topicPartition{topic, p.ID})
		}
	}
	slices.SortFunc(all, func(a, b topicPartition) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// start starts the readers and workers. The generation ends with the first to return,
// and the group waits for all of them.
func (a *assignment) start() {
	a.c.log.Info("joined the group", "generation", a.generation.ID, "member", a.generation.MemberID,
		"partitions", len(a.readers))
	a.generation.Start(func(ctx context.Context) {
		<-ctx.Done()
		a.connections.close()
		close(a.ended)
	})
	for _, w := range a.workers {
		a.run(w.run)
	}
	for _, r := range a.readers {
		a.run(r.run)
	}
	a.run(a.watch)
}

// run starts a part of the assignment. One that stops with a panic ends the
// generation; the group is joined again, and what was not committed is fetched
// again.
func (a *assignment) run(do func(context.Context)) {
	a.generation.Start(func(ctx context.Context) {
		err := a.c.guard.Do(func() error { do(tracing.Inherit(ctx, a.outer)); return nil })
		if err != nil {
			a.failure.Store(&err)
		}
	})
}

func (a *assignment) failed() error {
	if err := a.failure.Load(); err != nil {
		return *err
	}
	return nil
}
