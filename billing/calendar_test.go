package billing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"referral/billing"
	"referral/models"
)

// monthly is the schedule of the settings: the 1st at 03:00, Moscow time.
func monthly(t *testing.T) billing.Clock { return schedule(t, "CRON_TZ=Europe/Moscow 0 3 1 * *") }

func schedule(t *testing.T, line string) billing.Clock {
	t.Helper()
	s, err := cron.ParseStandard(line)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clock fires at its instants, in ascending order, and then never again; of the zero
// time alone it fires never, as cron's schedules say it.
type clock []time.Time

func (c clock) Next(after time.Time) time.Time {
	for _, at := range c {
		if at.IsZero() || at.After(after) {
			return at
		}
	}
	return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestAMonthIsOverWithItsLastLocalDay(t *testing.T) {
	p := newProgramme(t, customerTerms())
	for _, c := range []struct {
		period models.Period
		now    string
		want   bool
	}{
		{202604, "2026-04-30T23:59:59.999999999+03:00", false},
		{202604, "2026-05-01T00:00:00+03:00", true},
		{202604, "2026-04-30T20:59:59Z", false},
		{202604, "2026-04-30T21:00:00Z", true}, // 1 May in Moscow
		{202605, "2026-05-01T00:00:00+03:00", false},
		{202612, "2026-12-31T23:59:59+03:00", false},
		{202612, "2027-01-01T00:00:00+03:00", true},
		{202712, "2027-01-01T00:00:00+03:00", false},
	} {
		if got := p.PeriodOver(c.period, instant(t, c.now)); got != c.want {
			t.Errorf("at %s %s is over: %t", c.now, c.period, got)
		}
	}
}

func TestDue(t *testing.T) {
	p := newProgramme(t, customerTerms())
	for _, c := range []struct {
		schedule string
		period   models.Period
		now      string
		want     bool
	}{
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-05-01T02:59:59.999999999+03:00", false},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-05-01T03:00:00+03:00", true},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-05-01T00:00:00Z", true},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-04-30T23:59:59Z", false},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-09-17T12:00:00Z", true}, // missed for months
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-04-01T03:00:00+03:00", false},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202604, "2026-04-15T12:00:00Z", false},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202605, "2026-05-01T03:00:00+03:00", false},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202612, "2027-01-01T02:59:59+03:00", false}, // over the end of the year
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202612, "2027-01-01T03:00:00+03:00", true},
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202402, "2024-02-29T23:59:59+03:00", false}, // a leap year
		{"CRON_TZ=Europe/Moscow 0 3 1 * *", 202402, "2024-03-01T03:00:00+03:00", true},

		// On the fifth only, and at the very beginning of the next month.
		{"CRON_TZ=Europe/Moscow 0 3 5 * *", 202604, "2026-05-05T02:59:59+03:00", false},
		{"CRON_TZ=Europe/Moscow 0 3 5 * *", 202604, "2026-05-05T03:00:00+03:00", true},
		{"CRON_TZ=Europe/Moscow 0 0 1 * *", 202604, "2026-04-30T20:59:59Z", false},
		{"CRON_TZ=Europe/Moscow 0 0 1 * *", 202604, "2026-04-30T21:00:00Z", true},

		// A schedule in another zone than the programme's days: 1 May 03:00 in
		// Vladivostok is still April in Moscow.
		{"CRON_TZ=Asia/Vladivostok 0 3 1 * *", 202604, "2026-05-01T03:00:00+10:00", false},
		{"CRON_TZ=Asia/Vladivostok 0 3 1 * *", 202604, "2026-06-01T03:00:00+10:00", true},
		{"CRON_TZ=UTC 0 3 1 * *", 202604, "2026-05-01T05:59:59+03:00", false},
		{"CRON_TZ=UTC 0 3 1 * *", 202604, "2026-05-01T06:00:00+03:00", true},
	} {
		if got := p.Due(c.period, schedule(t, c.schedule), instant(t, c.now)); got != c.want {
			t.Errorf("%s by %q at %s: due is %t", c.period, c.schedule, c.now, got)
		}
	}
}

// The period ends with the programme's day, and the moment of the end is part of
// what follows.
func TestDueByAnyClock(t *testing.T) {
	p := newProgramme(t, customerTerms())
	end := instant(t, "2026-05-01T00:00:00+03:00")
	for _, c := range []struct {
		fires []time.Time
		now   time.Time
		want  bool
	}{
		{[]time.Time{end}, end, true},
		{[]time.Time{end}, end.Add(-1), false},
		{[]time.Time{end.Add(-1)}, end.Add(time.Hour), false}, // fired within the period only
		{[]time.Time{end.Add(-1), end.Add(time.Hour)}, end.Add(time.Hour), true},
		{[]time.Time{end.Add(-1), end.Add(time.Hour)}, end.Add(time.Hour - 1), false},
		{nil, end.Add(1000 * time.Hour), false},
		{[]time.Time{{}}, end.Add(1000 * time.Hour), false}, // a clock that never fires says so by the zero time
		{[]time.Time{{}}, end.Add(-1), false},
	} {
		if got := p.Due(202604, clock(c.fires), c.now); got != c.want {
			t.Errorf("a clock that fires at %v, at %s: due is %t", c.fires, c.now, got)
		}
	}
}

// stuck is a clock that always says the same.
type stuck time.Time

func (s stuck) Next(time.Time) time.Time { return time.Time(s) }

// No clock, however wrong, makes a period due before it is over.
func TestNoClockIsAheadOfThePeriod(t *testing.T) {
	p := newProgramme(t, customerTerms())
	end := instant(t, "2026-05-01T00:00:00+03:00")
	for _, fires := range []time.Time{{}, time.Unix(0, 0), end.Add(-time.Hour), end} {
		for _, early := range []time.Duration{1, time.Hour, 31 * 24 * time.Hour, 1000 * time.Hour} {
			if p.Due(202604, stuck(fires), end.Add(-early)) {
				t.Errorf("%s before its end April is due, by a clock that fires at %s", early, fires)
			}
		}
	}
}

func TestMissedPeriods(t *testing.T) {
	p := newProgramme(t, customerTerms())
	periods := []models.PeriodInfo{
		{Period: 202605, State: models.PeriodOpen}, // not over
		{Period: 202604, State: models.PeriodOpen},
		{Period: 202512, State: models.PeriodOpen},
		{Period: 202603, State: models.PeriodRun},
		{Period: 202602, State: models.PeriodOpen, Stale: 5},
		{Period: 202601, State: models.PeriodClosed},
	}
	for _, c := range []struct {
		now  string
		want []models.Period
	}{
		{"2026-05-20T12:00:00+03:00", []models.Period{202512, 202602, 202604}},
		{"2026-05-01T03:00:00+03:00", []models.Period{202512, 202602, 202604}},
		{"2026-05-01T02:59:59+03:00", []models.Period{202512, 202602}},
		{"2026-06-01T03:00:00+03:00", []models.Period{202512, 202602, 202604, 202605}},
		{"2025-12-31T23:59:59+03:00", nil},
	} {
		if got := p.MissedPeriods(periods, monthly(t), instant(t, c.now)); !slices.Equal(got, c.want) {
			t.Errorf("at %s: %v, want %v", c.now, got, c.want)
		}
	}
}

func TestStalePeriods(t *testing.T) {
	got := billing.Stale([]models.PeriodInfo{
		{Period: 202605, State: models.PeriodOpen, Stale: 9}, // its own run will see to it
		{Period: 202604, State: models.PeriodRun, Stale: 1},
		{Period: 202603, State: models.PeriodRun},
		{Period: 202512, State: models.PeriodClosed, Stale: 2}, // the difference is posted elsewhere, but posted
		{Period: 202602, State: models.PeriodClosed},
	})
	if want := []models.Period{202512, 202604}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPostingPeriod(t *testing.T) {
	periods := []models.PeriodInfo{
		{Period: 202602, State: models.PeriodOpen},
		{Period: 202511, State: models.PeriodClosed},
		{Period: 202512, State: models.PeriodClosed},
		{Period: 202601, State: models.PeriodClosed},
		{Period: 202603, State: models.PeriodClosed}, // closed ahead of its turn
		{Period: 202510, State: models.PeriodRun},
	}
	for _, c := range []struct{ period, want models.Period }{
		{202602, 202602}, // open
		{202510, 202510}, // run, not closed
		{202601, 202602},
		{202511, 202602}, // over the end of the year
		{202603, 202604}, // a month that nobody has heard of is open
		{202609, 202609},
	} {
		if got := billing.PostingPeriod(periods, c.period); got != c.want {
			t.Errorf("%s is posted to %s, want %s", c.period, got, c.want)
		}
	}
}
