package consumer

import (
	"context"
	"fmt"
)

// findStart finds the offset to go on from, on a new connection. Where messages
// are missing it says so, because a broker would just begin with what it still has.
func (r *partitionReader) findStart(ctx context.Context, conn *requester, id topicID) error {
	first, err := conn.offset(r.topicPartition, atBeginning)
	if err != nil {
		return fmt.Errorf("asking where the partition begins: %w", err)
	}
	end, err := conn.offset(r.topicPartition, atEnd)
	if err != nil {
		return fmt.Errorf("asking where the partition ends: %w", err)
	}
	start, moved := r.start(first, end, id)
	unnamed := r.next >= 0 && id.known() && !r.id.known()
	r.next, r.id, r.outOfRange = start, id, false
	r.position.began(id, start, moved)
	r.position.heardEnd(r.c.o.Now(), end)
	r.noteTopic(ctx)
	if moved || unnamed {
		// Committed at once, so that the next member does not count a loss again,
		// and notices when the topic is made again though nothing was read.
		return r.enqueue(ctx, item{from: r, next: start, id: id, marker: true})
	}
	return nil
}

// start is where to go on in a partition that holds [first, end) of a topic, and
// whether that is elsewhere than the group had got to.
func (r *partitionReader) start(first, end int64, id topicID) (offset int64, moved bool) {
	switch {
	case r.id.known() && id.known() && r.id != id:
		if _, _, named := r.position.of(id); !named {
			r.noteRecreated(first, id)
		}
		return first, true
	case r.next < 0: // nothing was ever committed
		return first, false
	case r.next < first:
		r.c.metrics.gaps.WithLabelValues(r.topic).Add(float64(first - r.next))
		r.log.Error("messages are lost: the topic no longer has them; ask their source to send them again",
			"from_offset", r.next, "to_offset", first, "lost", first-r.next)
		return first, true
	case r.next > end && r.outOfRange:
		// Only when the broker has refused the offset too: right after an election,
		// a leader may not know yet how far its log is safe.
		r.c.metrics.rewinds.WithLabelValues(r.topic).Inc()
		r.log.Error("the topic ends before the committed offset, as if it had been made again; beginning at its start",
			"committed", r.next, "first_offset", first, "end_offset", end)
		return first, true
	}
	return r.next, false
}

// noteTopic has the database keep the id of the topic, which tells later that it
// was made again even if the group's offsets were deleted with it.
func (r *partitionReader) noteTopic(ctx context.Context) {
	if !r.id.known() || r.id == r.noted {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.o.Timing.AnswerTimeout)
	defer cancel()
	if err := r.c.o.Store.RecordTopicID(ctx, r.topic, r.id.String()); err != nil {
		r.log.WarnContext(ctx, "keeping the id of the topic", "error", err)
		return
	}
	r.noted = r.id
}

// noteRecreated tells of a topic that was deleted and made again, and of what is
// lost with the old one. How far that went is known if it was read here.
func (r *partitionReader) noteRecreated(first int64, id topicID) {
	r.c.metrics.recreated.WithLabelValues(r.topic).Inc()
	taken, end, known := r.position.of(r.id)
	read := max(r.next, taken) // what was fetched is in the worker's hands
	log := r.log.With("old_topic_id", r.id.String(), "new_topic_id", id.String(), "begins_at_offset", first)
	if read >= 0 {
		log = log.With("read_up_to_offset", read)
	}
	switch {
	case !known:
		log.Error("the topic was deleted and made again: it is read from its beginning; " +
			"what the old one held and was not read is lost: ask its source whether to send it again")
	case end > read:
		r.c.metrics.gaps.WithLabelValues(r.topic).Add(float64(end - read))
		log.Error("the topic was deleted and made again: it is read from its beginning; "+
			"messages of the old one are lost: ask their source to send them again",
			"from_offset", read, "to_offset", end, "lost", end-read)
	default:
		log.Error("the topic was deleted and made again: it is read from its beginning; the old one had been read to its end")
	}
}
