package consumer

import (
	"cmp"
	"context"
	"slices"

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
	ended      chan struct{} // closed when the generation is over
}

func (c *Consumer) newCrew(ctx context.Context, g *kafka.Generation) *crew {
	crew := &crew{c: c, generation: g, wires: newWires(ctx, c.o.Dialer), ended: make(chan struct{})}
	for i := range c.o.Workers {
		crew.workers = append(crew.workers, newWorker(c, g, i))
	}
	for i, p := range partitions(g) {
		crew.readers = append(crew.readers, newPartitionReader(c, crew.wires, p, crew.workers[i%len(crew.workers)]))
	}
	return crew
}

type assignment struct {
	topic     string
	partition int
	offset    int64 // to begin at; kafka.FirstOffset when none was ever committed
}

// partitions is what the generation assigns, in a fixed order, so that each
// topic is spread evenly over the workers.
func partitions(g *kafka.Generation) []assignment {
	var all []assignment
	for topic, assigned := range g.Assignments {
		for _, p := range assigned {
			all = append(all, assignment{topic, p.ID, p.Offset})
		}
	}
	slices.SortFunc(all, func(a, b assignment) int {
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
		crew.generation.Start(w.run)
	}
	for _, r := range crew.readers {
		crew.generation.Start(r.run)
	}
	crew.generation.Start(crew.watch)
}
