package models

import (
	"fmt"
	"time"
)

// Date is a calendar day, counted from 1970-01-01. Which instant a day begins
// at is a matter of the programme's time zone, and so never of a Date.
type Date int32

const secondsPerDay = 24 * 60 * 60

// NewDate makes a day from its year, month and day, which are normalised as
// time.Date does.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
}

// DateOf is the local day of an instant in a time zone.
func DateOf(t time.Time, zone *time.Location) Date {
	year, month, day := t.In(zone).Date()
	return NewDate(year, month, day)
}

// ParseDate reads "2026-04-20".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date like 2026-04-20", s)
	}
	return Date(t.Unix() / secondsPerDay), nil
}

// Time is midnight UTC of the day: for formatting and arithmetic only.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// Civil is the day's year, month and day, five times as fast as by way of
// [time.Time]. The days are counted from 1 March of the year 0, so that a leap day
// is the last of its year and every 400 years are alike; in them, months of 30.6
// days come out right when rounded.
func (d Date) Civil() (year int, month time.Month, day int) {
	const marchOfYear0, perEra, perCentury, perFour, perYear = -719_468, 146_097, 36_524, 1_460, 365
	n := int(d) - marchOfYear0
	era := n / perEra
	if n < 0 {
		era = (n - perEra + 1) / perEra
	}
	n -= era * perEra
	year = (n - n/perFour + n/perCentury - n/(perEra-1)) / perYear
	n -= perYear*year + year/4 - year/100
	sinceMarch := (5*n + 2) / 153
	day = n - (153*sinceMarch+2)/5 + 1
	year += 400 * era
	if sinceMarch >= 10 {
		return year + 1, time.Month(sinceMarch - 9), day
	}
	return year, time.Month(sinceMarch + 3), day
}

// String is "2026-04-20".
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// Append appends what [Date.String] is, without the reading of a layout, which
// would cost a tenth of a run's rehearsal.
func (d Date) Append(dst []byte) []byte {
	year, month, day := d.Civil()
	if year < 0 || year > 9999 {
		return append(dst, d.String()...)
	}
	digit := func(n int) byte { return '0' + byte(n%10) }
	dst = append(dst, digit(year/1000), digit(year/100), digit(year/10), digit(year), '-')
	dst = append(dst, digit(int(month)/10), digit(int(month)), '-')
	return append(dst, digit(day/10), digit(day))
}

// AddMonths moves by calendar months and clamps to the last day of the month
// reached: 31 January + 1 month is 28 (or 29) February. time.AddDate would
// overflow into March.
func (d Date) AddMonths(n int) Date {
	year, month, day := d.Time().Date()
	first := time.Date(year, month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return NewDate(first.Year(), first.Month(), min(day, last))
}

// Period is the calendar month that holds the day.
func (d Date) Period() Period {
	t := d.Time()
	return NewPeriod(t.Year(), t.Month())
}

// MarshalText writes "2026-04-20".
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "2026-04-20".
func (d *Date) UnmarshalText(b []byte) error {
	parsed, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// FirstYear and LastYear bound the dates that are taken, of facts and of periods
// alike. A real one lies far within; one beyond stands for "never" or for a
// mistake, and would be calculated with all the same. What the terms add to a date,
// a hundred years at most, can still be written in the four digits of a year.
const (
	FirstYear = 1900
	LastYear  = 2999
)

// YearTaken tells whether dates of a year are taken.
func YearTaken(year int) bool { return year >= FirstYear && year <= LastYear }
