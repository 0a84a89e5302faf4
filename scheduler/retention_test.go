package scheduler_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"referral/models"
	"referral/scheduler"
)

func hourly(t testing.TB) func(*scheduler.Options) {
	return func(o *scheduler.Options) { o.Retention.Schedule = schedule(t, "15 * * * *") }
}

func (b *books) deletions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.cleaned)
}

// At each of its times old rows are deleted by one replica, and counted by table
// from 0 on.
func TestOldRowsAreDeletedByOneReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 10:00")
		b := newBooks()
		r, other := newRig(t, b, hourly(t)), newRig(t, b, hourly(t))
		if n := r.metric(t, "referral_retention_deleted_rows_total", "slots") + r.metric(t, "referral_retention_errors_total", "sessions"); n != 0 {
			t.Errorf("counted %v at the start", n)
		}
		stop, stopOther := r.run(t), other.run(t)
		until(t, "2026-05-17 11:30")
		stop()
		stopOther()
		is(t, "deleted from", strings.Join(b.cleaned, "\n"), "10:15 sessions 1h0m0s", "10:15 slots 2h0m0s", "11:15 sessions 1h0m0s", "11:15 slots 2h0m0s")
		for _, table := range []string{"sessions", "slots"} {
			if n := r.metric(t, "referral_retention_deleted_rows_total", table) + other.metric(t, "referral_retention_deleted_rows_total", table); n != 2 {
				t.Errorf("%v rows of %s are counted", n, table)
			}
		}
	})
}

// What fails, or panics, is logged and counted, makes the process no less ready,
// and is tried again the next time.
func TestAFailedDeletionIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 10:00")
		b, failed := newBooks(), errors.New("permission denied")
		b.dirty = map[string]func() error{"sessions": func() error { return failed }}
		r := newRig(t, b, hourly(t))
		stop := r.run(t)
		until(t, "2026-05-17 11:00")
		if b.deletions() != 2 || r.Ready() != nil || r.metric(t, "referral_retention_errors_total", "sessions") != 1 ||
			r.metric(t, "referral_retention_errors_total", "slots") != 0 {
			t.Errorf("%d deletions, ready: %v", b.deletions(), r.Ready())
		}
		r.change(func() { b.dirty["sessions"] = func() error { panic("rows without a result") } })
		until(t, "2026-05-17 12:00")
		if r.Ready() != nil || r.failures(t) != 1 || r.metric(t, "referral_panics_total", "scheduler") != 1 {
			t.Errorf("%v failures, ready: %v", r.failures(t), r.Ready())
		}
		r.change(func() { b.dirty = nil })
		until(t, "2026-05-17 13:00")
		stop()
		if n := r.metric(t, "referral_retention_deleted_rows_total", "slots"); n != 2 || !strings.Contains(r.log.String(), "permission denied") {
			t.Errorf("%v rows are counted:\n%s", n, r.log)
		}
	})
}

// A database that is away when old rows are due keeps them for the next time.
func TestRetentionWithoutADatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until(t, "2026-05-17 10:00")
		b := newBooks(models.Period(202605))
		r := newRig(t, b, hourly(t), func(o *scheduler.Options) { o.Poll, o.OrderPoll = 24*time.Hour, 24*time.Hour })
		stop := r.run(t)
		until(t, "2026-05-17 10:05")
		r.change(func() { b.down = true })
		until(t, "2026-05-17 10:30")
		r.change(func() { b.down = false })
		if b.deletions() != 0 || r.failures(t) != 1 || r.Ready() != nil {
			t.Errorf("%d deletions, %v failures, ready: %v", b.deletions(), r.failures(t), r.Ready())
		}
		until(t, "2026-05-17 11:30")
		stop()
		if b.deletions() != 2 {
			t.Errorf("%d deletions", b.deletions())
		}
	})
}
