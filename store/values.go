package store

import (
	"strings"
	"time"

	"referral/models"
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
