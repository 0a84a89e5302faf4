package consumer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
)

// crew works off one generation: a reader for each partition, and the workers
// that write. A partition belongs to one worker, so that its order holds.
type crew struct {
	c          *Consumer
	generation *kafka.Generation
	wires      *wires
	readers    []*partitionReader
	workers    []*worker
	ended      chan struct{}         // closed when the generation is over
	failure    atomic.Pointer[error] // of one of them, which ends the generation
}

// assignment is where to begin in a partition: at [kafka.FirstOffset] when
// nothing was ever committed.
type assignment struct {
	place
	offset int64
	id     topicID // of the topic that the offset belongs to, or that was read last
	noted  topicID // that the database has
}

func (c *Consumer) newCrew(ctx context.Context, g *kafka.Generation, client *kafka.Client) (*crew, error) {
	group := groupMember{client: client, group: g.GroupID, member: g.MemberID, generation: int(g.ID), patience: c.o.Timing.Patience}
	places := partitions(g)
	committed, err := group.committed(ctx, places)
	if err != nil {
		return nil, fmt.Errorf("asking for the group's offsets: %w", err)
	}
	crew := &crew{c: c, generation: g, wires: newWires(ctx, c.o.Dialer), ended: make(chan struct{})}
	for i := range c.o.Workers {
		crew.workers = append(crew.workers, newWorker(c, group, i))
	}
	noted, bytes := c.notedTopics(ctx), c.o.Timing.fetchBytes(len(places))
	for i, position := range c.positions.assigned(places) {
		begin := assignment{position.place, kafka.FirstOffset, noted[position.topic], noted[position.topic]}
		if o, known := committed[position.place]; known && o.next >= 0 {
			begin.offset, begin.id = o.next, o.id
		}
		crew.readers = append(crew.readers, newPartitionReader(c, crew.wires, begin, bytes, position, crew.workers[i%len(crew.workers)]))
	}
	return crew, nil
}

// notedTopics is the topics that were read last, as far as the database tells:
// without it, one that was made again is read all the same, but not named.
func (c *Consumer) notedTopics(ctx context.Context) map[string]topicID {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timing.Patience)
	defer cancel()
	ids, err := c.o.Store.TopicIDs(ctx)
	if err != nil {
		c.log.Warn("asking the database for the ids of the topics read before", "error", err)
	}
	noted := map[string]topicID{}
	for topic, id := range ids {
		noted[topic] = parseTopicID(id)
	}
	return noted
}

// partitions is what the generation assigns, in a fixed order, so that each
// topic is spread evenly over the workers.
func partitions(g *kafka.Generation) []place {
	var all []place
	for topic, assigned := range g.Assignments {
		for _, p := range assigned {
			all = append(all, place{topic, p.ID})
		}
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// start sets everybody to work. The generation ends with the first to return,
// and the group waits for all of them.
func (crew *crew) start() {
	crew.c.log.Info("joined the group", "generation", crew.generation.ID, "member", crew.generation.MemberID,
		"partitions", len(crew.readers))
	crew.generation.Start(func(ctx context.Context) {
		<-ctx.Done()
		crew.wires.close()
		close(crew.ended)
	})
	for _, w := range crew.workers {
		crew.run(w.run)
	}
	for _, r := range crew.readers {
		crew.run(r.run)
	}
	crew.run(crew.watch)
}

// run starts a part of the crew. One that stops with a panic ends the
// generation; the group is joined again, and what was not committed is fetched
// again.
func (crew *crew) run(do func(context.Context)) {
	crew.generation.Start(func(ctx context.Context) {
		err := crew.c.guard.Do(func() error { do(ctx); return nil })
		if err != nil {
			crew.failure.Store(&err)
		}
	})
}

func (crew *crew) failed() error {
	if err := crew.failure.Load(); err != nil {
		return *err
	}
	return nil
}
