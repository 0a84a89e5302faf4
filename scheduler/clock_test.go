package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"referral/models"
	"referral/scheduler"
)

// jump sets the wall clock; timers go on as before.
func (r *rig) jump(by time.Duration) { r.change(func() { r.ahead += by }) }

func (r *rig) sawJumps(t testing.TB, forward, backward float64) {
	t.Helper()
	f, b := r.metric(t, "referral_scheduler_clock_jumps_total", "forward"), r.metric(t, "referral_scheduler_clock_jumps_total", "backward")
	if f != forward || b != backward {
		t.Errorf("%v jumps forward and %v backward are counted, want %v and %v", f, b, forward, backward)
	}
}

// A machine that slept, or whose clock was set, from 01:00 to 09:00 on the 1st: the
// month is run and the night's work done within a minute.
func TestTheWallClockJumpsOverTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-01 01:00")
		r := newRig(t, newBooks(202603, 202604))
		r.periods[202603].State = models.PeriodRun
		r.periods[202603].Stale = 1
		stop := r.run(t)
		time.Sleep(20 * time.Second)
		r.jump(8 * time.Hour)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		r.change(func() {
			if got := strings.Join(r.diary, ", "); got != "2026-05-01 09:00 regular 2026-04, 2026-05-01 09:00 differences 2026-03" {
				t.Errorf("a minute after the jump: %s", got)
			}
			if len(r.reconciled) != 2 {
				t.Errorf("reconciled %v", r.reconciled)
			}
		})
		r.sawJumps(t, 1, 0)
		time.Sleep(44 * time.Hour) // two nights
		stop()
		if len(r.diary) != 2 || len(r.reconciled) != 6 {
			t.Errorf("later: %v, reconciled %v", r.diary, r.reconciled)
		}
	})
}

// A jump fires a schedule once, however many of its times it passes over.
func TestAJumpFiresAScheduleOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 01:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		r := newRig(t, b, func(o *scheduler.Options) { o.CatchUp = schedule(t, "*/10 * * * *") })
		stop := r.run(t)
		time.Sleep(time.Minute)
		r.jump(8 * time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		r.change(func() {
			if len(r.reconciled) != 1 || len(r.claimed) != 3 || !r.claimed["reconcile@2026-05-09T22:10:00Z"] {
				t.Errorf("reconciled %v, by %v", r.reconciled, r.claimed)
			}
		})
		time.Sleep(8 * time.Minute) // 09:10
		stop()
		if len(r.reconciled) != 2 || !r.claimed["reconcile@2026-05-10T06:10:00Z"] {
			t.Errorf("reconciled %v, by %v", r.reconciled, r.claimed)
		}
	})
}

// Times that come again, because the clock is set back, are not worked at again, and
// those after them are not waited for until the clock is where it was.
func TestTheWallClockIsSetBack(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{5 * time.Second, time.Minute, 3 * time.Hour, 31 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				until(t, "2026-05-01 02:00")
				r := newRig(t, newBooks(202604))
				stop := r.run(t)
				until(t, "2026-05-01 04:31")
				r.change(func() {
					if len(r.diary) != 1 || len(r.reconciled) != 1 {
						t.Errorf("%v, reconciled %v", r.diary, r.reconciled)
					}
				})
				r.jump(-back)
				time.Sleep(back + 25*time.Hour) // past the next night
				synctest.Wait()
				r.change(func() {
					nights := 2 + max(0, int(back/(24*time.Hour))-1) // those before 1 May come now
					if len(r.diary) != 1 || len(r.reconciled) != nights {
						t.Errorf("%v, reconciled %v, want %d nights", r.diary, r.reconciled, nights)
					}
				})
				seen := 0.0
				if back >= 10*time.Second {
					seen = 1
				}
				r.sawJumps(t, 0, seen)
				stop()
			})
		})
	}
}

// Two replicas that notice a jump at different moments work at the same slot.
func TestReplicasAgreeOnTheSlotAfterAJump(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 01:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		one := newRig(t, b)
		stopOne := one.run(t)
		time.Sleep(17 * time.Second)
		other := newRig(t, b)
		stopOther := other.run(t)
		synctest.Wait()
		one.jump(8 * time.Hour)
		time.Sleep(time.Minute)
		stopOne()
		stopOther()
		one.sawJumps(t, 1, 0)
		other.sawJumps(t, 1, 0)
		if len(b.reconciled) != 1 || len(b.claimed) != 3 {
			t.Errorf("reconciled %v, by %v", b.reconciled, b.claimed)
		}
	})
}

// Work that is still under way when its time comes again is not started a second time.
func TestWorkThatOutlastsItsTimeIsNotDoubled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 01:00")
		b := newBooks(202604)
		b.periods[202604].State = models.PeriodRun
		r := newRig(t, b, func(o *scheduler.Options) {
			o.CatchUp = schedule(t, "*/10 * * * *")
			o.AwaitTimeout = 25 * time.Minute
			o.AwaitFacts = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		stop := r.run(t)
		until(t, "2026-05-10 01:36")
		r.change(func() {
			if len(r.reconciled) != 1 || !r.claimed["reconcile@2026-05-09T22:10:00Z"] {
				t.Errorf("reconciled %v, by %v", r.reconciled, r.claimed)
			}
		})
		until(t, "2026-05-10 02:06")
		stop()
		if len(r.reconciled) != 2 || !r.claimed["reconcile@2026-05-09T22:40:00Z"] || !strings.Contains(r.log.String(), "still under way") {
			t.Errorf("reconciled %v, by %v:\n%s", r.reconciled, r.claimed, r.log)
		}
	})
}

// Whatever the schedules say, no month is settled before it is over: not at the
// start, not monthly, not at night.
func TestNothingIsDueBeforeItsPeriodIsOver(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"* * * * *", "0 0 15 * *", "@every 1h", "59 23 30 4 *"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				until(t, "2026-04-10 12:00")
				b := newBooks(202603, 202604, 202605, 202606)
				b.periods[202603].State = models.PeriodRun
				b.periods[202604].State, b.periods[202604].Stale = models.PeriodRun, 3 // run by hand before its end
				r := newRig(t, b, func(o *scheduler.Options) { o.RunAt, o.CatchUp = schedule(t, line), schedule(t, line) })
				stop := r.run(t)
				until(t, "2026-04-30 23:59")
				is(t, "before the end of April", r.wrote())
				stop()
				if r.failures(t) != 0 || r.Ready() != nil {
					t.Errorf("%v failures, %v", r.failures(t), r.Ready())
				}
			})
		})
	}
}

// never is a schedule that does not fire, as robfig/cron says it.
type never struct{}

func (never) Next(time.Time) time.Time { return time.Time{} }

// stumbling is a schedule that panics the first time.
type stumbling struct {
	cron.Schedule
	times atomic.Int32
}

func (s *stumbling) Next(after time.Time) time.Time {
	if s.times.Add(1) == 1 {
		panic("index out of range")
	}
	return s.Schedule.Next(after)
}

// A panic of the clock itself is counted, and the clock goes on.
func TestTheClockOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-01 02:00")
		r := newRig(t, newBooks(202604), func(o *scheduler.Options) { o.RunAt = &stumbling{Schedule: o.RunAt} })
		stop := r.run(t)
		until(t, "2026-05-01 03:00")
		stop()
		is(t, "the runs", r.wrote(), "2026-05-01 03:00 regular 2026-04")
		if n := r.metric(t, "referral_panics_total", "scheduler"); n != 1 {
			t.Errorf("%v panics are counted", n)
		}
	})
}

// A schedule without a next time is one that waits, not one that is due.
func TestAScheduleThatNeverFires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-10 12:00")
		r := newRig(t, newBooks(202604, 202605, 202606), func(o *scheduler.Options) { o.RunAt, o.CatchUp = never{}, never{} })
		stop := r.run(t)
		until(t, "2026-07-10 12:00")
		stop()
		is(t, "the runs", r.wrote())
		if len(r.reconciled) != 0 {
			t.Errorf("reconciled %v", r.reconciled)
		}
	})
}

// By hand the month under way may be settled, and none that has not begun.
func TestSettlingByHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-04-30 23:59")
		r := newRig(t, newBooks(202603, 202604, 202605))
		for _, c := range []struct {
			period models.Period
			early  bool
		}{{202603, false}, {202604, false}, {202605, true}, {202704, true}} {
			_, err := r.Settler.Run(t.Context(), models.RunRequest{Period: c.period})
			if errors.Is(err, scheduler.ErrNotOver) != c.early || !c.early && err != nil {
				t.Errorf("%s: %v", c.period, err)
			}
			if c.early && !strings.Contains(fmt.Sprint(err), c.period.First().String()) {
				t.Errorf("%v does not say when", err)
			}
		}
		is(t, "the runs", r.wrote(), "2026-04-30 23:59 regular 2026-03", "2026-04-30 23:59 regular 2026-04")
	})
}
