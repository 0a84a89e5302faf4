package main

import (
	"strings"
	"testing"

	"referral/models"
)

// Whoever signs a month that is under way is told so.
func TestClosingAMonthUnderWay(t *testing.T) {
	w := newTown(t)
	const ahead models.Period = 299911 // as long as this program is in use
	w.befriends(885, map[int64]string{901: "2026-04-20"})
	w.hears(bill(885, ahead, 1, subscription(300000)))
	w.settles(ahead)
	a := w.asks("close", "2999-11", "--by", "finance")
	if a.status != exitDone || a.err != "warning: 2999-11 is not over before 2999-12-01: what it still brings will be posted to 2999-12\n" {
		t.Errorf("%+v", a)
	}
}

// Whoever signs is told what the month leaves to the open one.
func TestClosingWarnsOfWhatIsNotSettled(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(*town)
		want  []string // a line each
	}{
		{"all is settled", func(*town) {}, nil},
		{"a late fact", func(w *town) { w.hears(bill(885, 202604, 2, subscription(1))) },
			[]string{"in 2026-04 1 account is not settled yet: the differences will be posted to 2026-05"}},
		{"late facts of two", func(w *town) { w.hears(bill(885, 202604, 2, subscription(1)), bill(902, 202604, 2, subscription(1))) },
			[]string{"2 accounts are not settled yet"}},
		{"a late fact of another month", func(w *town) {
			w.hears(bill(885, 202603, 1, subscription(1)))
			w.month(202603)
			w.hears(bill(885, 202603, 2, subscription(2)))
		}, nil},
		{"a run held by the brake", func(w *town) {
			w.hears(bill(885, 202604, 2, subscription(1)))
			w.tampers("INSERT INTO runs (period, posting_period, kind, state, started_at) VALUES (202604, 202604, 'differences', 'braked', now())")
		}, []string{"1 account is not settled yet", "the brake holds a run of 2026-04: `referral run 2026-04 --accept` will post it to 2026-05"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := spring(t)
			c.spoil(w)
			a := w.asks("close", "2026-04", "--by", "finance")
			if a.status != exitDone || !strings.Contains(a.out, "period 2026-04 is closed, signed by finance") {
				t.Fatalf("%+v", a)
			}
			lines := strings.Split(strings.TrimSpace(a.err), "\n")
			if len(c.want) == 0 && a.err != "" || len(c.want) > 0 && len(lines) != len(c.want) {
				t.Fatalf("warned: %q, want %q", a.err, c.want)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(lines[i], "warning: ") || !strings.Contains(lines[i], want) {
					t.Errorf("warned: %q, want %q", lines[i], want)
				}
			}
		})
	}
}
