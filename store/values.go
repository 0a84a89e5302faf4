package store

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"referral/models"
)

// dateValue and uuidValue carry days and identifiers through database/sql.
type dateValue models.Date

// Value writes "2026-04-20".
func (d dateValue) Value() (driver.Value, error) { return models.Date(d).String(), nil }

// Scan reads what the driver makes of a date.
func (d *dateValue) Scan(src any) error {
	t, ok := src.(time.Time)
	if !ok {
		return fmt.Errorf("a date came as %T", src)
	}
	*d = dateValue(models.DateOf(t, time.UTC))
	return nil
}

type uuidValue models.UUID

// Value writes the usual form.
func (u uuidValue) Value() (driver.Value, error) { return models.UUID(u).String(), nil }

// Scan reads the usual form.
func (u *uuidValue) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("a uuid came as %T", src)
	}
	parsed, err := models.ParseUUID(s)
	*u = uuidValue(parsed)
	return err
}

// validText is a text without what the database refuses: NUL and invalid UTF-8, which a
// reason may quote.
func validText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// digestValue carries a digest. Bytes alone would be taken for a list by GORM.
type digestValue models.Digest

// Value writes the bytes.
func (d digestValue) Value() (driver.Value, error) { return d[:], nil }

// Scan reads the bytes.
func (d *digestValue) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("a digest came as %T", src)
	}
	copy(d[:], b)
	return nil
}

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
