package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"referral/internal/sleep"
)

// smallestJump is what counts as a jump: less is a clock that is being adjusted.
const smallestJump = 10 * time.Second

// wallClock starts jobs at the times of their schedules. A timer measures how long
// the process has run: it stands still while the machine sleeps and does not notice a
// clock that is set. So the wall clock is read again and again, and what has become
// due since the last time is started, once for each job.
type wallClock struct {
	every   time.Duration
	now     func() time.Time
	log     *slog.Logger
	metrics *Metrics
	jobs    []*job
}

// job is work with its schedule.
type job struct {
	name     string
	schedule cron.Schedule
	work     func(due time.Time)

	next time.Time // zero: never
	busy atomic.Bool
}

// run starts jobs until ctx is done, and waits for those under way.
func (c *wallClock) run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	last, read := c.read(), time.Now()
	for _, j := range c.jobs {
		j.next = j.schedule.Next(last)
	}
	for sleep.For(ctx, c.pause(last)) {
		now := c.read()
		c.notice(now, now.Sub(last)-time.Since(read))
		last, read = now, time.Now()
		c.startDue(now, &working)
	}
}

// read is the time of the wall clock: without the monotonic reading, by which two
// times would compare as if the clock had never been set.
func (c *wallClock) read() time.Time { return c.now().Round(0) }

// pause is how long to wait for the next job, or for the next look at the clock.
func (c *wallClock) pause(now time.Time) time.Duration {
	wait := c.every
	for _, j := range c.jobs {
		if !j.next.IsZero() {
			wait = min(wait, j.next.Sub(now))
		}
	}
	return max(wait, time.Millisecond)
}

// notice reports a jump. After one backwards the times until then come again; that
// they were worked at is known from their slots.
func (c *wallClock) notice(now time.Time, jump time.Duration) {
	direction := forward
	if jump < 0 {
		direction = backward
	}
	if jump.Abs() < smallestJump {
		return
	}
	c.metrics.jumps.WithLabelValues(direction).Inc()
	c.log.Warn("the wall clock jumped; schedules follow it", "direction", direction, "by", jump.Abs().Round(time.Second))
	if direction == backward {
		for _, j := range c.jobs {
			j.next = j.schedule.Next(now)
		}
	}
}

func (c *wallClock) startDue(now time.Time, working *sync.WaitGroup) {
	for _, j := range c.jobs {
		due := j.next
		if due.IsZero() || due.After(now) {
			continue
		}
		j.next = j.schedule.Next(now)
		if !j.busy.CompareAndSwap(false, true) {
			c.log.Warn("left out, because the work of an earlier time is still under way", "job", j.name, "due", due)
			continue
		}
		working.Go(func() {
			defer j.busy.Store(false)
			j.work(due)
		})
	}
}
