package reference

import (
	"fmt"
	"time"
)

// day is midnight UTC of a calendar day; whose day it is was settled when an
// instant was turned into it.
type day = time.Time

// moscow is the programme's time zone. It has had no change of clocks since
// 2014, so a fixed offset is the whole truth for the programme's lifetime.
func moscow() *time.Location { return time.FixedZone("MSK", 3*60*60) }

func localDay(t time.Time) day {
	year, month, d := t.In(moscow()).Date()
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

func parseDay(s string) (day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return day{}, fmt.Errorf("day %q: %w", s, err)
	}
	return t, nil
}

func dayAfter(d day) day {
	return time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, time.UTC)
}

// monthsLater goes forward month by month and, where the month reached has no
// such day, back to the last day that it has.
func monthsLater(d day, months int) day {
	year, month := d.Year(), d.Month()
	for range months {
		if month++; month > time.December {
			year, month = year+1, time.January
		}
	}
	for wanted := d.Day(); ; wanted-- {
		if got := time.Date(year, month, wanted, 0, 0, 0, 0, time.UTC); got.Month() == month {
			return got
		}
	}
}

func laterOf[T interface{ After(T) bool }](a, b T) T {
	if b.After(a) {
		return b
	}
	return a
}

func monthOf(d day) string { return d.Format("2006-01") }
