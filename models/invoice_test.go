package models_test

import (
	"testing"

	"referral/models"
)

func TestDaysOfALine(t *testing.T) {
	for _, c := range []struct {
		from, to string
		days     int
		end      string
	}{
		{"2026-04-01", "2026-05-01", 30, "2026-05-01"},
		{"2026-02-01", "2026-03-01", 28, "2026-03-01"},
		{"2024-02-01", "2024-03-01", 29, "2024-03-01"},
		{"2026-04-20", "2026-04-21", 1, "2026-04-21"},
		{"2026-04-20", "2026-04-20", 1, "2026-04-21"}, // no length: the single day
		{"2026-04-20", "2026-04-01", 1, "2026-04-21"}, // ends before it begins: likewise
		{"2026-12-31", "2026-12-31", 1, "2027-01-01"},
		{"2025-01-01", "2026-01-01", 365, "2026-01-01"},
		{"2024-01-01", "2025-01-01", 366, "2025-01-01"},
		{"2023-03-01", "2024-03-01", 366, "2024-03-01"},
	} {
		l := models.Line{From: day(t, c.from), To: day(t, c.to)}
		if l.Days() != c.days || l.End().String() != c.end {
			t.Errorf("%s to %s: %d days to %s, want %d to %s", c.from, c.to, l.Days(), l.End(), c.days, c.end)
		}
	}
}

func TestPercentOfASegment(t *testing.T) {
	for _, c := range []struct{ invitee, inviter, agreed, want int }{
		{0, 20, 0, 20}, {20, 0, 0, 20}, {20, 40, 0, 60}, {20, 80, 0, 100}, {20, 100, 0, 100}, {100, 100, 0, 100}, {0, 0, 0, 0},
		{0, 0, 15, 15}, {20, 40, 15, 75}, {20, 60, 30, 100},
	} {
		s := models.Segment{From: 10, To: 15, Invitee: c.invitee, Inviter: c.inviter, Agreed: c.agreed}
		if s.Percent() != c.want || s.Days() != 5 {
			t.Errorf("%d %%, %d %% and %d %%: %d %% on %d days, want %d %% on 5", c.invitee, c.inviter, c.agreed, s.Percent(), s.Days(), c.want)
		}
	}
}
