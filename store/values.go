package store

import (
	"strings"
	"time"

	"referral/models"
	"referral/store/pgcopy"
)

// validText is a text without what the database refuses: NUL and invalid UTF-8, which a
// reason may quote.
func validText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// dayOf is the day of a date column.
func dayOf(t time.Time) models.Date { return models.DateOf(t, time.UTC) }

// convert turns records of a table into what they say.
func convert[R, M any](records []R, to func(*R) M) []M {
	list := make([]M, len(records))
	for i := range records {
		list[i] = to(&records[i])
	}
	return list
}

// nullDay is the day of a date column; 0 for NULL.
func nullDay(t *time.Time) models.Date {
	if t == nil {
		return 0
	}
	return dayOf(*t)
}

// readDay is the day of a date column in binary; 0 for NULL.
func readDay(v []byte) models.Date {
	if v == nil {
		return 0
	}
	return pgcopy.Date(v)
}

// optionalDay is a day as a parameter; NULL for 0.
func optionalDay(d models.Date) *time.Time {
	if d == 0 {
		return nil
	}
	at := d.Time()
	return &at
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func zeroTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
