package consumer

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// locate finds the offset to go on from, on a new connection. Where messages
// are missing it says so, for a broker would just begin with what it still has.
func (r *partitionReader) locate(ctx context.Context, conn *kafka.Conn) error {
	if err := r.extendDeadline(conn); err != nil {
		return err
	}
	first, end, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("asking where the partition begins and ends: %w", err)
	}
	start, moved := r.start(first, end)
	if _, err := conn.Seek(start, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		return fmt.Errorf("seeking offset %d: %w", start, err)
	}
	r.next = start
	r.outOfRange = false
	if r.taken.Load() == 0 || moved {
		r.took(start)
	}
	r.heard(end)
	if moved {
		// Committed at once, so that the next member does not count the loss again.
		return r.hand(ctx, conn, item{from: r, next: start, marker: true})
	}
	return nil
}

// start is where to go on in a partition that holds [first, end), and whether
// that is elsewhere than the group had got to.
func (r *partitionReader) start(first, end int64) (offset int64, moved bool) {
	switch {
	case r.next < 0: // nothing was ever committed
		return first, false
	case r.next < first:
		r.c.metrics.gaps.WithLabelValues(r.labels()...).Add(float64(first - r.next))
		r.log.Error("messages are lost: the topic no longer has them; ask their source to send them again",
			"from_offset", r.next, "to_offset", first, "lost", first-r.next)
		return first, true
	case r.next > end && r.outOfRange:
		// Only when the broker has refused the offset too: right after an election,
		// a leader may not know yet how far its log is safe.
		r.c.metrics.rewinds.WithLabelValues(r.labels()...).Inc()
		r.log.Error("the topic ends before the committed offset, as if it had been created anew; beginning at its start",
			"committed", r.next, "first_offset", first, "end_offset", end)
		return first, true
	}
	return r.next, false
}
