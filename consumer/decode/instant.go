package decode

import (
	"time"

	"referral/models"
)

// parseInstant reads a date-time of RFC 3339, to the letter. The parser of the
// standard library takes a comma for the point, one digit for an hour and an
// offset of a day, and refuses small letters and leap seconds.
//
// A leap second counts as the second after it, for no clock here knows it.
func parseInstant(b []byte) (time.Time, error) {
	t, err := parseMoment(b)
	if err == nil && !models.YearTaken(t.Year()) {
		err = errYears
	}
	return t, err
}

// parseMoment reads a time of any year: of an event's own time nothing follows but
// which of two profiles is the newer one.
func parseMoment(b []byte) (time.Time, error) {
	const date, clock, shortest = len("2026-01-10"), len("2026-01-10T09:00:00"), len("2026-01-10T09:00:00Z")
	if len(b) < shortest || b[date] != 'T' && b[date] != 't' {
		return time.Time{}, errInstant
	}
	year, month, day := civil(b[:date])
	hour, minute, second := clockOf(b[date+1 : clock])
	micros, zone := fraction(b[clock:])
	offset, ok := offsetOf(zone)
	if day == 0 || hour < 0 || !ok {
		return time.Time{}, errInstant
	}
	t := time.Date(year, month, day, hour, minute, second, micros*int(time.Microsecond), time.UTC).Add(-offset)
	if second == leapSecond && t.Unix()%secondsPerDay != 0 { // they are inserted at the end of a day of UTC only
		return time.Time{}, errInstant
	}
	if t.Year() < 0 || t.Year() > 9999 { // of UTC, in which it cannot be written any more
		return time.Time{}, errInstant
	}
	return t, nil
}

const (
	leapSecond    = 60
	secondsPerDay = 24 * 60 * 60
)

// clockOf reads "09:00:00"; the hour is below nought when it is no time of day.
func clockOf(b []byte) (hour, minute, second int) {
	hour, minute, second = digits(b[:2]), digits(b[3:5]), digits(b[6:])
	if b[2] != ':' || b[5] != ':' || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > leapSecond {
		return -1, 0, 0
	}
	return hour, minute, second
}

// fraction reads the fraction of a second, if there is one, as microseconds: the
// resolution of the database, beyond which digits are dropped. What follows it is
// returned, and is nothing that can follow when the point has no digits.
func fraction(b []byte) (micros int, rest []byte) {
	if b[0] != '.' {
		return 0, b
	}
	n := 1
	for unit := int(time.Second / time.Microsecond); n < len(b) && b[n]-'0' <= 9; n++ {
		unit /= 10
		micros += int(b[n]-'0') * unit
	}
	if n == 1 {
		return 0, nil
	}
	return micros, b[n:]
}

// offsetOf reads "Z" or "+03:00".
func offsetOf(b []byte) (offset time.Duration, ok bool) {
	if len(b) == 1 {
		return 0, b[0] == 'Z' || b[0] == 'z'
	}
	if len(b) != len("+03:00") || b[3] != ':' {
		return 0, false
	}
	hour, minute := digits(b[1:3]), digits(b[4:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	offset = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	switch b[0] {
	case '+':
		return offset, true
	case '-':
		return -offset, true
	}
	return 0, false
}
