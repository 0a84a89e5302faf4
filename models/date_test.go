package models_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"referral/models"
)

func day(t testing.TB, s string) models.Date {
	t.Helper()
	d, err := models.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func moscow(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// Calendar months clamp to the last day of the month that they reach.
func TestAddMonths(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int
		want   string
	}{
		{"2026-01-10", 1, "2026-02-10"},
		{"2026-01-10", 3, "2026-04-10"},
		{"2026-01-10", 0, "2026-01-10"},

		{"2026-01-31", 1, "2026-02-28"}, // no 31 February
		{"2024-01-31", 1, "2024-02-29"}, // a leap year
		{"2026-01-30", 1, "2026-02-28"},
		{"2026-01-29", 1, "2026-02-28"},
		{"2026-01-28", 1, "2026-02-28"},
		{"2024-01-29", 1, "2024-02-29"},
		{"2026-03-31", 1, "2026-04-30"},
		{"2026-03-31", 2, "2026-05-31"}, // clamped once, not by way of 30 April
		{"2026-11-30", 3, "2027-02-28"},
		{"2027-11-30", 3, "2028-02-29"},

		{"2024-02-29", 1, "2024-03-29"},
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", 48, "2028-02-29"},
		{"2026-02-28", 1, "2026-03-28"}, // the last day of a month is not kept the last

		{"2026-12-15", 1, "2027-01-15"}, // over the end of the year
		{"2026-12-31", 2, "2027-02-28"},
		{"2026-10-31", 12, "2027-10-31"},
		{"2026-06-30", 18, "2027-12-30"},

		{"2099-12-31", 2, "2100-02-28"}, // a century without a leap day
		{"1999-12-31", 2, "2000-02-29"}, // and one with

		{"2026-03-31", -1, "2026-02-28"},
		{"2026-01-15", -1, "2025-12-15"},
		{"2026-01-15", -13, "2024-12-15"},
	} {
		if got := day(t, c.from).AddMonths(c.months); got.String() != c.want {
			t.Errorf("%s + %d months = %s, want %s", c.from, c.months, got, c.want)
		}
	}
}

// A day more or less never moves the end of a term backwards.
func TestAddMonthsKeepsOrder(t *testing.T) {
	for months := range 25 {
		for d := day(t, "2023-12-01"); d < day(t, "2028-03-31"); d++ {
			if d.AddMonths(months) > (d + 1).AddMonths(months) {
				t.Fatalf("%s + %d months is later than %s + %d months", d, months, d+1, months)
			}
		}
	}
}

// Every day of three centuries survives the way into text and back, and the
// standard library agrees on what it is called.
func TestDatesCountDays(t *testing.T) {
	at := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	for d := day(t, "1900-01-01"); d < day(t, "2200-01-01"); d++ {
		if d.String() != at.Format("2006-01-02") || d != day(t, d.String()) || d != models.NewDate(at.Date()) {
			t.Fatalf("day %d is %s, want %s", int32(d), d, at.Format("2006-01-02"))
		}
		at = at.AddDate(0, 0, 1)
	}
}

func TestDateZeroIsTheEpoch(t *testing.T) {
	if got := models.Date(0).String(); got != "1970-01-01" {
		t.Errorf("day 0 is %s", got)
	}
	if got := models.NewDate(2026, 2, 30).String(); got != "2026-03-02" {
		t.Errorf("30 February is normalised to %s, want 2026-03-02", got)
	}
	if got := day(t, "2026-04-20").Time(); !got.Equal(time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("midnight of 2026-04-20 is %s", got)
	}
}

// The day of an instant is the day in Moscow, which begins at 21:00 UTC.
func TestDateOfAnInstantInMoscow(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"2026-04-19T20:59:59.999999999Z", "2026-04-19"},
		{"2026-04-19T21:00:00Z", "2026-04-20"},
		{"2026-04-20T00:00:00+03:00", "2026-04-20"},
		{"2026-04-19T23:59:59+03:00", "2026-04-19"},
		{"2026-04-20T20:59:59Z", "2026-04-20"},
		{"2025-12-31T20:59:59Z", "2025-12-31"},
		{"2025-12-31T21:00:00Z", "2026-01-01"},
		{"2024-02-28T21:00:00Z", "2024-02-29"},
		{"2024-02-29T21:00:00Z", "2024-03-01"},
		{"2026-02-28T21:00:00Z", "2026-03-01"},
		{"2026-04-20T10:00:00-12:00", "2026-04-21"}, // an instant written elsewhere
		{"2013-06-30T20:30:00Z", "2013-07-01"},      // UTC+4 from 2011 to 2014
		{"2014-10-26T20:30:00Z", "2014-10-26"},      // UTC+3 again since that day
		{"1969-12-31T20:59:59Z", "1969-12-31"},
		{"1969-12-31T21:00:00Z", "1970-01-01"},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := models.DateOf(at, moscow(t)); got.String() != c.want {
			t.Errorf("%s is on %s, want %s", c.at, got, c.want)
		}
	}
}

func TestParseDateRefusesWhatIsNoDay(t *testing.T) {
	for _, s := range []string{"", "2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "26-04-20", "2026-4-20", "20.04.2026", "2026-04-20T00:00:00Z", " 2026-04-20"} {
		if d, err := models.ParseDate(s); err == nil {
			t.Errorf("%q was read as %s", s, d)
		}
		var d models.Date
		if err := d.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q was unmarshalled as %s", s, d)
		}
	}
}

func TestDateAsText(t *testing.T) {
	text, err := day(t, "2024-02-29").MarshalText()
	if err != nil || string(text) != "2024-02-29" {
		t.Errorf("marshalled as %q, %v", text, err)
	}
	var d models.Date
	if err := d.UnmarshalText(text); err != nil || d != day(t, "2024-02-29") {
		t.Errorf("unmarshalled as %s, %v", d, err)
	}
}

func TestCivilIsWhatTimeSays(t *testing.T) {
	check := func(d models.Date) {
		t.Helper()
		year, month, day := d.Civil()
		if y, m, n := d.Time().Date(); y != year || m != month || n != day {
			t.Fatalf("day %d is %d-%d-%d, want %d-%d-%d", d, year, month, day, y, m, n)
		}
		if text := string(d.Append([]byte("on "))); text != "on "+d.String() {
			t.Fatalf("day %d is appended as %q, and is %s", d, text, d)
		}
	}
	for d := day(t, "1596-01-01"); d < day(t, "2405-01-01"); d++ {
		check(d)
	}
	for d := models.Date(-4_000_000); d < 4_000_000; d += 97 {
		check(d)
	}
}
