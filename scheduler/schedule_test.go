package scheduler_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"referral/scheduler"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// A schedule that names a day which never comes is refused, however it is written.
func TestSchedulesThatNeverFire(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"0 3 31 2 *": "does not fire", "0 3 30 2 *": "does not fire", "0 3 30,31 FEB *": "does not fire", "0 3 30-31 2 ?": "does not fire",
		"0 3 31 4 *": "does not fire", "* * 31 2,4,6,9,11 *": "does not fire", "0 3 31/2 4/5 *": "does not fire", "@every 50000h": "does not fire",
		"daily": "no cron line", "0 3 32 1 *": "no cron line", "": "no cron line",
		"0 3 1 * *": "", "0 3 29 2 *": "", "0 3 31 * *": "", "0 3 31 2 1": "", "0 3 31 2,3 *": "", "@monthly": "", "@every 1h": "",
	} {
		_, err := scheduler.ParseSchedule(line, moscow)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
}

// Schedules fire at wall-clock times of their zone: once a day, also on the days on
// which the clocks are put forward or back.
func TestSchedulesFollowTheirZone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, line, after, want string }{
		{"Europe/Moscow", "0 3 1 * *", "2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z"},
		{"Europe/Moscow", "0 3 1 * *", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"},
		{"Europe/Moscow", "0 3 1 * *", "2026-05-01T09:59:59+10:00", "2026-05-01T00:00:00Z"}, // asked in another zone
		{"Europe/Moscow", "0 3 1 1 *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		{"Europe/Moscow", "0 3 29 2 *", "2026-05-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"Asia/Vladivostok", "0 3 1 * *", "2026-04-30T16:59:59Z", "2026-04-30T17:00:00Z"},

		// The gap of 29 March 2026, from 02:00 to 03:00 of Berlin.
		{"Europe/Berlin", "30 2 * * *", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"}, // as 03:30 by then
		{"Europe/Berlin", "30 2 * * *", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"Europe/Berlin", "30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T00:30:00Z"},
		{"Europe/Berlin", "30 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"},
		// A gap on the first of a month, on which a month is to be run.
		{"Australia/Sydney", "30 2 1 * *", "2023-09-30T00:00:00Z", "2023-09-30T16:30:00Z"},
		// 02:30 comes twice on 25 October 2026, at 00:30 and 01:30 UTC.
		{"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"Europe/Berlin", "30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"Europe/Berlin", "0 3 * * *", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"},
	} {
		s, err := scheduler.ParseSchedule(c.line, zone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Next(after).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("%q in %s after %s fires at %s, want %s", c.line, c.zone, c.after, got, c.want)
		}
	}
}
