package models

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Period is a calendar month of service, kept as year*100+month: 202604.
type Period int32

// NewPeriod makes the period of a year and month.
func NewPeriod(year int, month time.Month) Period { return Period(year*100 + int(month)) }

// ParsePeriod reads "2026-04".
func ParsePeriod(s string) (Period, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a month like 2026-04", s)
	}
	return NewPeriod(t.Year(), t.Month()), nil
}

// String is "2026-04".
func (p Period) String() string { return fmt.Sprintf("%04d-%02d", p/100, p%100) }

// Year is the year of the month.
func (p Period) Year() int { return int(p / 100) }

// First is the first day of the month.
func (p Period) First() Date { return NewDate(p.Year(), time.Month(p%100), 1) }

// End is the first day after the month.
func (p Period) End() Date { return p.Next().First() }

// Next is the month after.
func (p Period) Next() Period {
	if p%100 == 12 {
		return p + 100 - 11
	}
	return p + 1
}

// Previous is the month before.
func (p Period) Previous() Period {
	if p%100 == 1 {
		return p - 100 + 11
	}
	return p - 1
}

// IDPrefix is what the identifiers of the period's documents begin with: its first
// instant in UTC, in milliseconds of Unix time.
func (p Period) IDPrefix() [6]byte {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(p.First().Time().UnixMilli()))
	return [6]byte(ms[2:])
}

// PeriodOfID is the period that the identifier of a document begins with, 0 when it
// begins with none.
func PeriodOfID(id UUID) Period {
	ms := binary.BigEndian.Uint64(append([]byte{0, 0}, id[:6]...))
	p := DateOf(time.UnixMilli(int64(ms)), time.UTC).Period()
	if prefix := p.IDPrefix(); prefix != [6]byte(id[:6]) {
		return 0
	}
	return p
}

// MarshalText writes "2026-04".
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "2026-04".
func (p *Period) UnmarshalText(b []byte) error {
	parsed, err := ParsePeriod(string(b))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
