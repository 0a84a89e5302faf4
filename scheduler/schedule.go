package scheduler

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// longestWait is how far apart a schedule may fire: 29 February comes within it,
// 31 February in no year.
const longestWait = 5 * 366 * 24 * time.Hour

// leapYear is where the search for a day begins, whatever year it is now: a schedule
// is not right in some years and wrong in others.
var leapYear = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ParseSchedule reads a cron line whose times are wall-clock times of a zone. A line
// that names a day which never comes is an error.
func ParseSchedule(line string, zone *time.Location) (cron.Schedule, error) {
	parsed, err := cron.ParseStandard(line)
	if err != nil {
		return nil, fmt.Errorf("%q is no cron line (%w); write minute hour day month weekday, for example \"0 3 1 * *\"", line, err)
	}
	if fields, ok := parsed.(*cron.SpecSchedule); ok {
		parsed = localSchedule{fields, zone}
	}
	if next := parsed.Next(leapYear); next.IsZero() || next.Sub(leapYear) > longestWait {
		return nil, fmt.Errorf("%q does not fire in five years; write a day that comes, for example \"0 3 1 * *\"", line)
	}
	return parsed, nil
}

// localSchedule fires once at each wall-clock time that its fields match: after a gap
// when summer time leaves the time out, at its first occurrence when the time comes
// twice. cron itself leaves out what falls into a gap, and a month would not be due.
type localSchedule struct {
	fields *cron.SpecSchedule
	zone   *time.Location
}

// Next is the first time after an instant, and the zero time when there is none.
func (s localSchedule) Next(after time.Time) time.Time {
	for wall := in(time.UTC, after.In(s.zone)); ; {
		if wall = s.fields.Next(wall); wall.IsZero() {
			return wall
		}
		if next := s.first(wall); next.After(after) {
			return next
		}
	}
}

// first is the first instant at which the clocks of the zone show a time.
func (s localSchedule) first(wall time.Time) time.Time {
	at := in(s.zone, wall)
	_, offset := at.Add(-12 * time.Hour).Zone()
	if before := wall.Add(-time.Duration(offset) * time.Second).In(s.zone); in(time.UTC, before).Equal(wall) {
		return before
	}
	return at
}

// in is the time that the clocks of another zone show alike.
func in(zone *time.Location, t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
