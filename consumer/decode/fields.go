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

	"referral/models"
)

// Lengths in characters that no honest value reaches: a limit on everything
// that is stored, below what an index of the database can hold.
const (
	maxIdentifier = 200
	maxSource     = 500
	maxText       = 1000
)

type need bool

const (
	required need = true
	optional need = false
)

// shape is the known fields of a JSON object, in the order in which a missing
// one is named. Unknown fields are passed over.
type shape[T any] []field[T]

type field[T any] struct {
	name string
	need need
	read func(*jx.Decoder, *T) error
}

// put reads a value into its place.
func put[T, V any](place func(*T) *V, read func(*jx.Decoder) (V, error)) func(*jx.Decoder, *T) error {
	return func(d *jx.Decoder, into *T) (err error) {
		*place(into), err = read(d)
		return err
	}
}

func (s shape[T]) index(name string) int {
	for i := range s {
		if s[i].name == name {
			return i
		}
	}
	return -1
}

// read fills into from the object that comes next. A null stands for an optional
// field that is not there.
func (s shape[T]) read(d *jx.Decoder, into *T) error {
	if d.Next() != jx.Object {
		return wrongType(d, "an object")
	}
	fields, err := d.ObjIter()
	if err != nil {
		return err
	}
	var seen uint32
	next := 0 // most producers write the fields in our order
	for fields.Next() {
		i := next
		if i >= len(s) || s[i].name != string(fields.Key()) {
			i = s.index(string(fields.Key()))
		}
		next = i + 1
		if i >= 0 && seen&(1<<i) != 0 {
			return at(s[i].name, bad("given twice"))
		}
		if err := s.readField(d, i, into); err != nil {
			return err
		}
		if i >= 0 {
			seen |= 1 << i
		}
	}
	if err := fields.Err(); err != nil {
		return err
	}
	return s.missing(seen)
}

// readField fills the field with this index; that of an unknown one is -1.
func (s shape[T]) readField(d *jx.Decoder, i int, into *T) error {
	switch {
	case i < 0:
		return d.Skip()
	case s[i].need == optional && d.Next() == jx.Null:
		return d.Null()
	}
	return at(s[i].name, s[i].read(d, into))
}

func (s shape[T]) missing(seen uint32) error {
	for i := range s {
		if s[i].need == required && seen&(1<<i) == 0 {
			return at(s[i].name, errMissing)
		}
	}
	return nil
}

// badField says what is wrong with a field, and where. It quotes no value.
type badField struct {
	path string // "lines[2].amount_minor"
	say  string // "must be …"
}

func (b *badField) Error() string { return b.path + ": " + b.say }

func bad(say string) error { return &badField{say: say} }

var errMissing = bad("missing; it is required")

// at puts a bad field into its parent. Other errors are about the JSON itself,
// and have no field.
func at(parent string, err error) error {
	if err == nil {
		return nil
	}
	return placed(parent, err)
}

func placed(parent string, err error) error {
	var inner *badField
	if !errors.As(err, &inner) {
		return err
	}
	path := parent
	if inner.path != "" && !strings.HasPrefix(inner.path, "[") {
		path += "."
	}
	return &badField{path: path + inner.path, say: inner.say}
}

// wrongType is the error for a value of another JSON type than wanted. What is
// no JSON value at all is the parser's to name.
func wrongType(d *jx.Decoder, wanted string) error {
	got := d.Next()
	if err := d.Skip(); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return bad("must be " + wanted + ", but is of type " + got.String())
}

// text is a string of low to high characters without NUL.
func text(d *jx.Decoder, low, high int) (string, error) {
	if d.Next() != jx.String {
		return "", wrongType(d, "a string")
	}
	b, err := stringBytes(d)
	switch n := utf8.RuneCount(b); {
	case err != nil:
		return "", err
	case n < low:
		return "", bad("must not be empty")
	case n > high:
		return "", bad(fmt.Sprintf("has %d characters; at most %d are taken", n, high))
	case bytes.IndexByte(b, 0) >= 0:
		return "", bad("must not contain a NUL character")
	}
	return string(b), nil
}

func identifier(d *jx.Decoder) (string, error) { return text(d, 1, maxIdentifier) }

func maybeIdentifier(d *jx.Decoder) (string, error) { return text(d, 0, maxIdentifier) }

func sourceText(d *jx.Decoder) (string, error) { return text(d, 1, maxSource) }

func anyText(d *jx.Decoder) (string, error) { return text(d, 0, maxText) }

func account(d *jx.Decoder) (int64, error) { return integer(d, 1, math.MaxInt64) }

func amount(d *jx.Decoder) (models.Money, error) {
	n, err := integer(d, -int64(models.MaxAmount), int64(models.MaxAmount))
	return models.Money(n), err
}

// instant is a time as RFC 3339 writes it, in UTC; moment is one of any year.
var instant, moment = timeBy(parseInstant), timeBy(parseMoment)

func timeBy(parse func([]byte) (time.Time, error)) func(*jx.Decoder) (time.Time, error) {
	return func(d *jx.Decoder) (time.Time, error) {
		b, err := shortText(d, "a time like 2026-01-10T09:00:00Z")
		if err != nil {
			return time.Time{}, err
		}
		return parse(b)
	}
}

func date(d *jx.Decoder) (models.Date, error) {
	b, err := shortText(d, "a date like 2026-04-20")
	if err != nil {
		return 0, err
	}
	return parseDate(b)
}

// parseDate reads "2026-04-20". Half of an invoice is dates, and the parser of
// any layout takes four times as long.
func parseDate(b []byte) (models.Date, error) {
	year, month, day := civil(b)
	if day == 0 {
		return 0, errDate
	}
	if !models.YearTaken(year) {
		return 0, errYears
	}
	return models.NewDate(year, month, day), nil
}

// civil is the year, month and day that a text like "2026-04-20" names; the day
// is 0 when it names none.
func civil(b []byte) (year int, month time.Month, day int) {
	if len(b) != len(time.DateOnly) || b[4] != '-' || b[7] != '-' {
		return 0, 0, 0
	}
	y, m, d := digits(b[:4]), digits(b[5:7]), digits(b[8:])
	if y < 0 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, 0, 0
	}
	return y, time.Month(m), d
}

func daysIn(year, month int) int {
	switch {
	case month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0):
		return 29
	case month == 2:
		return 28
	case month == 4 || month == 6 || month == 9 || month == 11:
		return 30
	}
	return 31
}

// What is wrong with a text that is none of these, or is of no year that is taken.
var (
	errDate    = bad("must be a date like 2026-04-20")
	errInstant = bad("must be a time like 2026-01-10T09:00:00Z (RFC 3339)")
	errPeriod  = bad("must be a month like 2026-04")
	errYears   = bad(fmt.Sprintf(`must lie in the years %d to %d; send no date that stands for "never" or "not known"`, models.FirstYear, models.LastYear))
)

// digits is the number that they write; below nought when they are no digits.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func period(d *jx.Decoder) (models.Period, error) {
	b, err := shortText(d, "a month like 2026-04")
	if err != nil {
		return 0, err
	}
	return parsePeriod(b)
}

func parsePeriod(b []byte) (models.Period, error) {
	if len(b) != len("2026-04") || b[4] != '-' {
		return 0, errPeriod
	}
	year, month := digits(b[:4]), digits(b[5:])
	if year < 0 || month < 1 || month > 12 {
		return 0, errPeriod
	}
	if !models.YearTaken(year) {
		return 0, errYears
	}
	return models.NewPeriod(year, time.Month(month)), nil
}

// shortText is a string that is to be parsed at once: it is not copied.
func shortText(d *jx.Decoder, wanted string) ([]byte, error) {
	if d.Next() != jx.String {
		return nil, wrongType(d, wanted)
	}
	return stringBytes(d)
}
