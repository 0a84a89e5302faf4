package pgcopy

import (
	"encoding/binary"
	"time"

	"referral/models"
)

// Int8 reads a bigint.
func Int8(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// Int4 reads an integer.
func Int4(b []byte) int { return int(int32(binary.BigEndian.Uint32(b))) }

// Int2 reads a smallint.
func Int2(b []byte) int { return int(int16(binary.BigEndian.Uint16(b))) }

// Bool reads a boolean.
func Bool(b []byte) bool { return b[0] == 1 }

// Date reads a date.
func Date(b []byte) models.Date { return models.Date(Int4(b) + epochDay) }

// Period reads an integer that is a period.
func Period(b []byte) models.Period { return models.Period(Int4(b)) }

// Money reads a bigint that is an amount.
func Money(b []byte) models.Money { return models.Money(Int8(b)) }

// UUID reads a uuid.
func UUID(b []byte) models.UUID { return models.UUID(b[:16]) }

// Time reads a timestamptz; null is the zero time.
func Time(b []byte) time.Time {
	if b == nil {
		return time.Time{}
	}
	return time.UnixMicro(Int8(b) + epochUnix*1_000_000).UTC()
}
