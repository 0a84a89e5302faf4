package consumer

import (
	"context"
	"time"
)

// watch ends the generation when a reader makes no progress although messages wait, so
// that every connection is made again.
func (a *assignment) watch(ctx context.Context) {
	ticker := time.NewTicker(a.c.o.Timing.StallAfter / 8)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, r := range a.readers {
			if r.stalled() {
				r.c.metrics.stalls.WithLabelValues(r.topic).Inc()
				r.log.ErrorContext(ctx, "no progress though messages wait; joining the group again", "waiting", r.position.stats(r.c.o.Now()).lag)
				return
			}
			r.nameOpenTransaction()
			a.refreshLag(ctx, r)
		}
	}
}

func (r *partitionReader) stalled() bool {
	idle := r.c.o.Now().Sub(time.Unix(0, r.moved.Load()))
	return !r.blocked.Load() && idle > r.c.o.Timing.StallAfter
}

// refreshLag asks for the end of a partition whose reader waits for its worker and so
// does not fetch: that is when the lag matters most.
func (a *assignment) refreshLag(ctx context.Context, r *partitionReader) {
	if !r.blocked.Load() {
		return
	}
	end, err := a.c.endOffset(ctx, a.connections, r.topicPartition)
	if err != nil {
		r.log.WarnContext(ctx, "asking for the lag", "error", err)
		return
	}
	r.position.heardEnd(r.c.o.Now(), end)
}

// nameOpenTransaction logs a transaction that has held up the partition for too long.
func (r *partitionReader) nameOpenTransaction() {
	now := r.c.o.Now()
	if stable, waiting, since, hangs := r.position.hangs(now, r.c.o.Timing.StallAfter); hangs {
		r.log.Warn("the partition waits behind an open transaction: its producer has to commit or abort it "+
			"(kafka-transactions.sh find-hanging names it)", "offset", stable, "waiting", waiting, "for", now.Sub(since).Round(time.Second).String())
	}
}
