package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/go-json-experiment/json/jsontext"

	"referral/models"
)

// Limits of what is stored, in characters. They are far above real values and below what
// an index of the database can hold.
const (
	maxIdentifier = 200
	maxSource     = 500
	maxText       = 1000
)

// value reads a JSON value, with jx and by the [fastReader].
type value[V any] struct {
	read func(*jx.Decoder) (V, error)
	fast func(*fastReader) V
}

var (
	identifier      = textOf(1, maxIdentifier)
	maybeIdentifier = textOf(0, maxIdentifier)
	anyText         = textOf(0, maxText)
	word            = value[string]{identifier.read, (*fastReader).word} // one that recurs

	account  = number[int64](1, math.MaxInt64)
	revision = number[int](1, math.MaxInt32)
	amount   = number[models.Money](-int64(models.MaxAmount), int64(models.MaxAmount))

	instant  = parsed("a time like 2026-01-10T09:00:00Z", parseInstant)
	anyTime  = parsed("a time like 2026-01-10T09:00:00Z", parseTime)
	date     = value[models.Date]{parsed("a date like 2026-04-20", parseDate).read, (*fastReader).date}
	dateText = parsed("a date like 2026-04-20", parseDateText)
	period   = value[models.Period]{parsed("a month like 2026-04", parsePeriod).read, (*fastReader).period}
	currency = parsed("three capital letters like RUB", parseCurrency)
	uuid     = parsed("a UUID", parseUUID)
	status   = parsed("a string", parseStatus)
)

// Errors of the parsers below.
var (
	errDate     = invalid("must be a date like 2026-04-20")
	errInstant  = invalid("must be a time like 2026-01-10T09:00:00Z (RFC 3339)")
	errPeriod   = invalid("must be a month like 2026-04")
	errCurrency = invalid("must be three capital letters like RUB")
	errUUID     = invalid("must be a UUID, the adjustment_id or package_id that was sent")
	errStatus   = invalid("must be applied or rejected")
	errYears    = invalid(fmt.Sprintf(`must lie in the years %d to %d; send no date that stands for "never" or "not known"`, models.FirstYear, models.LastYear))
)

// textOf is a string of low to high characters without NUL.
func textOf(low, high int) value[string] {
	return value[string]{
		read: func(d *jx.Decoder) (string, error) { return text(d, low, high) },
		fast: func(r *fastReader) string { return string(r.bytes(high)) },
	}
}

// number is a whole number from low to high.
func number[N ~int | ~int64](low, high int64) value[N] {
	return value[N]{
		read: func(d *jx.Decoder) (N, error) {
			n, err := integer(d, low, high)
			return N(n), err
		},
		fast: func(r *fastReader) N { return N(r.integer(low, high)) },
	}
}

// parsed is a string that is parsed without being copied.
func parsed[V any](wanted string, parse func([]byte) (V, error)) value[V] {
	return value[V]{
		read: func(d *jx.Decoder) (v V, err error) {
			b, err := stringBytes(d, wanted)
			if err != nil {
				return v, err
			}
			return parse(b)
		},
		fast: func(r *fastReader) V {
			v, err := parse(r.bytes(maxText))
			r.failed = r.failed || err != nil
			return v
		},
	}
}

func text(d *jx.Decoder, low, high int) (string, error) {
	b, err := stringBytes(d, "a string")
	switch n := utf8.RuneCount(b); {
	case err != nil:
		return "", err
	case n < low:
		return "", invalid("must not be empty")
	case n > high:
		return "", invalid(fmt.Sprintf("has %d characters; at most %d are taken", n, high))
	case bytes.IndexByte(b, 0) >= 0:
		return "", invalid("must not contain a NUL character")
	}
	return string(b), nil
}

// stringBytes is the next string, valid until the decoder is used again. An unpaired
// surrogate is refused: jx would replace it with U+FFFD, and two ids could become one.
func stringBytes(d *jx.Decoder, wanted string) ([]byte, error) {
	if d.Next() != jx.String {
		return nil, wrongType(d, wanted)
	}
	raw, err := d.Raw()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil, invalid(`must not contain an unpaired surrogate, an escape from \ud800 to \udfff without its other half`)
	}
	return b, nil
}

// wrongType is the error of a value of another JSON type than wanted, or the parser's
// error if it is not JSON at all.
func wrongType(d *jx.Decoder, wanted string) error {
	got := d.Next()
	if err := d.Skip(); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return invalid("must be " + wanted + ", but is of type " + got.String())
}

func parseDate(b []byte) (models.Date, error) {
	d, err := models.ParseDate(string(b))
	if err != nil {
		return 0, errDate
	}
	if year, _, _ := d.Civil(); !models.YearTaken(year) {
		return 0, errYears
	}
	return d, nil
}

// parseDateText checks a date and keeps it as it was written; an empty one is none.
func parseDateText(b []byte) (string, error) {
	if _, err := models.ParseDate(string(b)); err != nil && len(b) > 0 {
		return "", errDate
	}
	return string(b), nil
}

func parsePeriod(b []byte) (models.Period, error) {
	p, err := models.ParsePeriod(string(b))
	if err != nil {
		return 0, errPeriod
	}
	if !models.YearTaken(p.Year()) {
		return 0, errYears
	}
	return p, nil
}

func parseCurrency(b []byte) (string, error) {
	const usual = "RUB" // which need not be copied out of every invoice
	if string(b) == usual {
		return usual, nil
	}
	if len(b) != 3 || bytes.ContainsFunc(b, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		return "", errCurrency
	}
	return string(b), nil
}

func parseUUID(b []byte) (models.UUID, error) {
	id, err := models.ParseUUID(string(b))
	if err != nil {
		return models.UUID{}, errUUID
	}
	return id, nil
}

func parseStatus(b []byte) (models.ResultStatus, error) {
	switch s := models.ResultStatus(b); s {
	case models.ResultApplied, models.ResultRejected:
		return s, nil
	}
	return "", errStatus
}

// parseInstant reads a time within the years that are accepted.
func parseInstant(b []byte) (time.Time, error) {
	t, err := parseTime(b)
	if err == nil && !models.YearTaken(t.Year()) {
		err = errYears
	}
	return t, err
}

// parseTime reads a date-time of RFC 3339, of any year, to the microsecond: the
// resolution of the database. What the parser of the standard library takes besides
// is refused (a comma for the point, one digit for an hour, an offset of a day); what
// it refuses is taken (small letters, leap seconds). A leap second counts as the
// second after it, because no clock here knows it.
func parseTime(b []byte) (time.Time, error) {
	const separator, hourEnd, second, fraction, shortest = 10, 13, 17, 19, len("2026-01-10T09:00:00Z")
	if len(b) < shortest || b[hourEnd] != ':' || b[fraction] == ',' {
		return time.Time{}, errInstant
	}
	leap := string(b[second:fraction]) == "60"
	if leap || b[separator] == 't' || b[len(b)-1] == 'z' {
		b = []byte(capitals.Replace(string(b)))
	}
	if leap {
		copy(b[second:], "59")
	}
	var t time.Time
	if err := t.UnmarshalText(b); err != nil || !validOffset(b) {
		return time.Time{}, errInstant
	}
	t = t.UTC().Truncate(time.Microsecond)
	if leap {
		t = t.Add(time.Second)
	}
	if year := t.Year(); year < 0 || year > 9999 || leap && t.Unix()%secondsPerDay != 0 {
		return time.Time{}, errInstant
	}
	return t, nil
}

const secondsPerDay = 24 * 60 * 60 // in UTC, at whose midnight leap seconds are inserted

var capitals = strings.NewReplacer("t", "T", "z", "Z")

// validOffset looks at the end of a time that is otherwise well-formed.
func validOffset(b []byte) bool {
	offset := string(b[len(b)-len("+03:00"):])
	return b[len(b)-1] == 'Z' || offset[1:3] <= "23" && offset[4:] <= "59"
}
