package models_test

import (
	"testing"

	"referral/models"
)

func TestPeriodIsACalendarMonth(t *testing.T) {
	for _, c := range []struct{ period, first, end, next, previous string }{
		{"2026-04", "2026-04-01", "2026-05-01", "2026-05", "2026-03"},
		{"2026-12", "2026-12-01", "2027-01-01", "2027-01", "2026-11"},
		{"2026-01", "2026-01-01", "2026-02-01", "2026-02", "2025-12"},
		{"2024-02", "2024-02-01", "2024-03-01", "2024-03", "2024-01"},
		{"1999-12", "1999-12-01", "2000-01-01", "2000-01", "1999-11"},
	} {
		p, err := models.ParsePeriod(c.period)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != c.period || p.First().String() != c.first || p.End().String() != c.end ||
			p.Next().String() != c.next || p.Previous().String() != c.previous {
			t.Errorf("%s: first day %s, end %s, next %s, previous %s; want %s, %s, %s, %s",
				p, p.First(), p.End(), p.Next(), p.Previous(), c.first, c.end, c.next, c.previous)
		}
	}
}

func TestPeriodOfADay(t *testing.T) {
	for _, c := range []struct{ day, want string }{
		{"2026-04-01", "2026-04"}, {"2026-04-30", "2026-04"}, {"2026-05-01", "2026-05"},
		{"2026-12-31", "2026-12"}, {"2027-01-01", "2027-01"}, {"2024-02-29", "2024-02"},
	} {
		if got := day(t, c.day).Period(); got.String() != c.want {
			t.Errorf("%s lies in %s, want %s", c.day, got, c.want)
		}
	}
}

// The months of a century follow one another without a gap, and compare as they
// follow.
func TestPeriodsFollowOneAnother(t *testing.T) {
	for p := models.NewPeriod(2000, 1); p < models.NewPeriod(2100, 1); p = p.Next() {
		if p.Next() <= p || p.Next().Previous() != p || p.End() != p.Next().First() {
			t.Fatalf("%s is followed by %s, which follows %s", p, p.Next(), p.Next().Previous())
		}
		if p.First().Period() != p || (p.End()-1).Period() != p || p.End().Period() != p.Next() {
			t.Fatalf("%s does not hold its own days", p)
		}
	}
}

func TestPeriodAsText(t *testing.T) {
	text, err := models.NewPeriod(2026, 4).MarshalText()
	if err != nil || string(text) != "2026-04" {
		t.Errorf("marshalled as %q, %v", text, err)
	}
	var p models.Period
	if err := p.UnmarshalText(text); err != nil || p != 202604 {
		t.Errorf("unmarshalled as %d, %v", p, err)
	}
	for _, s := range []string{"", "2026", "2026-00", "2026-13", "2026-4", "202604", "2026-04-01", "04.2026"} {
		if err := p.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q was read as %s", s, p)
		}
	}
}

func TestTheYearOfAPeriod(t *testing.T) {
	for p, want := range map[models.Period]int{202604: 2026, 200001: 2000, 299912: 2999, 12: 0} {
		if got := p.Year(); got != want {
			t.Errorf("%s is of the year %d, want %d", p, got, want)
		}
	}
}

func TestYearsThatAreTaken(t *testing.T) {
	for year, want := range map[int]bool{0: false, 1: false, 1899: false, 1900: true, 1970: true, 2000: true, 2026: true, 2999: true, 3000: false, 9999: false} {
		if got := models.YearTaken(year); got != want {
			t.Errorf("%d: %t", year, got)
		}
	}
}
