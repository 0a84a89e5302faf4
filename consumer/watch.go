package consumer

import (
	"context"
	"time"
)

// watch looks after the readers. One that makes no progress though messages wait
// ends the generation, so that every connection is made anew.
func (crew *crew) watch(ctx context.Context) {
	ticker := time.NewTicker(crew.c.o.Timing.StallAfter / 8)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, r := range crew.readers {
			if r.stalled() {
				r.c.metrics.stalls.WithLabelValues(r.labels()...).Inc()
				r.log.Error("no progress though messages wait; joining the group anew", "offset", r.next, "end_offset", r.end.Load())
				return
			}
			crew.refreshLag(ctx, r)
		}
	}
}

func (r *partitionReader) stalled() bool {
	idle := r.c.o.Now().Sub(time.Unix(0, r.moved.Load()))
	return !r.blocked.Load() && idle > r.c.o.Timing.StallAfter
}

// refreshLag asks for the end of a partition whose reader is held up by its
// worker and so does not hear of it: that is when the lag matters most.
func (crew *crew) refreshLag(ctx context.Context, r *partitionReader) {
	if !r.blocked.Load() {
		return
	}
	end, err := crew.c.endOffset(ctx, crew.wires, r.topic, r.partition)
	if err != nil {
		r.log.Warn("asking for the lag", "error", err)
		return
	}
	r.heard(end)
}
