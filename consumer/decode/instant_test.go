package decode

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstantsAreThoseOfRFC3339(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-10T09:00:00Z":                    "2026-01-10T09:00:00Z",
		"2026-01-10t09:00:00z":                    "2026-01-10T09:00:00Z",
		"2026-01-10T09:00:00+03:00":               "2026-01-10T06:00:00Z",
		"2026-01-10T09:00:00-03:30":               "2026-01-10T12:30:00Z",
		"2026-01-10T09:00:00-00:00":               "2026-01-10T09:00:00Z",
		"2026-01-10T09:00:00+23:59":               "2026-01-09T09:01:00Z",
		"2026-01-10T09:00:00.5Z":                  "2026-01-10T09:00:00.5Z",
		"2026-01-10T09:00:00.05+01:00":            "2026-01-10T08:00:00.05Z",
		"2026-01-10T09:00:00.1234569Z":            "2026-01-10T09:00:00.123456Z", // the database knows no more
		"2026-01-10T09:00:00.00000000000000009Z":  "2026-01-10T09:00:00Z",
		"2026-06-30T23:59:60Z":                    "2026-07-01T00:00:00Z", // a leap second
		"2027-01-01T02:59:60.25+03:00":            "2027-01-01T00:00:00.25Z",
		"2028-02-29T23:59:59.999999Z":             "2028-02-29T23:59:59.999999Z",
		"1900-01-01T00:00:00Z":                    "1900-01-01T00:00:00Z",
		"1899-12-31T23:00:00-01:00":               "1900-01-01T00:00:00Z", // it is of the year 1900 of UTC
		"2999-12-31T23:59:59.9999999Z":            "2999-12-31T23:59:59.999999Z",
		"2026-01-10T09:00:00.999999999999+00:00":  "2026-01-10T09:00:00.999999Z",
		"2026-01-10T23:30:00.000001000000-23:59":  "2026-01-11T23:29:00.000001Z",
		"2026-12-31T15:59:60-08:00":               "2027-01-01T00:00:00Z",
		"2026-01-10T00:00:00Z":                    "2026-01-10T00:00:00Z",
		"2026-01-10T23:59:59+00:00":               "2026-01-10T23:59:59Z",
		"2026-10-25T02:30:00.100000000000000000Z": "2026-10-25T02:30:00.1Z",
	} {
		if got, err := parseInstant([]byte(text)); err != nil || got != instantOf(t, want) {
			t.Errorf("%s is %v (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "Z", "2026-01-10", "2026-01-10T09:00Z", "2026-01-10T09:00:00", "2026-01-10 09:00:00Z", "2026-01-10_09:00:00Z",
		"2026-01-10T09:00:00,5Z", "2026-01-10T09:00:00.Z", "2026-01-10T09:00:00.+03:00", "2026-01-10T09:00:00.5", "2026-01-10T09:00:00.-5Z",
		"2026-01-10T9:00:00Z", "2026-01-10T9:00:00.0Z", "2026-01-10T09:0:00Z", "2026-01-10T09:00:0Z", "2026-1-10T09:00:00Z", "26-01-10T09:00:00.00Z",
		"2026-01-10T09-00-00Z", "2026/01/10T09:00:00Z", "+2026-01-10T09:00:00Z", "12026-01-10T09:00:00Z",
		"2026-01-10T24:00:00Z", "2026-01-10T09:60:00Z", "2026-01-10T09:00:61Z", "2026-01-10T-9:00:00Z", "2026-01-10T09:-1:00Z", "2026-01-10T09:00:-1Z",
		"2026-02-29T09:00:00Z", "2026-13-01T09:00:00Z", "2026-00-10T09:00:00Z", "2026-01-00T09:00:00Z", "2026-04-31T09:00:00Z",
		"2026-01-10T09:00:00+24:00", "2026-01-10T09:00:00+23:60", "2026-01-10T09:00:00+3:00", "2026-01-10T09:00:00+0300", "2026-01-10T09:00:00+03",
		"2026-01-10T09:00:00+03:00:00", "2026-01-10T09:00:00+-3:00", "2026-01-10T09:00:00*03:00", "2026-01-10T09:00:00+03:0o", "2026-01-10T09:00:00MSK",
		"2026-01-10T09:00:00ZZ", "2026-01-10T09:00:00Z ", " 2026-01-10T09:00:00Z", "2026-01-10T09:00:00Z+03:00", "2026-01-10T09:00:0０Z",
		"9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01", // cannot be written in UTC
		"2026-01-10T09:00:60Z", "2026-06-30T23:58:60Z", "2026-06-30T23:59:60+03:00", "2026-06-30T23:59:60+00:01", // no leap second is inserted there
	} {
		if got, err := parseInstant([]byte(text)); !errors.Is(err, errInstant) {
			t.Errorf("%q is no instant, and was read as %v (%v)", text, got, err)
		}
	}
	for _, text := range []string{
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "1900-01-01T00:00:00+00:01",
		"2999-12-31T23:59:59-00:01", "2999-12-31T23:59:60Z", "3000-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z",
	} {
		if got, err := parseInstant([]byte(text)); !errors.Is(err, errYears) {
			t.Errorf("%s is of no year that is taken, and was read as %v (%v)", text, got, err)
		}
		if _, err := parseTime([]byte(text)); err != nil {
			t.Errorf("%s is no event's own time: %v", text, err)
		}
	}
}

// Where the standard library reads RFC 3339 rightly, it is of the same opinion.
func TestInstantsAreWhatTheStandardLibraryReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := func(what string, low, high int) int { return rapid.IntRange(low, high).Draw(t, what) }
		text := fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d", number("year", 2001, 2998), number("month", 0, 13), number("day", 0, 32),
			number("hour", 0, 25), number("minute", 0, 61), number("second", 0, 59))
		if digits := rapid.StringMatching(`[0-9]{0,9}`).Draw(t, "fraction"); digits != "" {
			text += "." + digits
		}
		text += rapid.SampledFrom([]string{"Z", "+", "-"}).Draw(t, "zone")
		if !strings.HasSuffix(text, "Z") {
			text += fmt.Sprintf("%02d:%02d", number("hours", 0, 23), number("minutes", 0, 59))
		}
		got, err := parseInstant([]byte(text))
		want, wantErr := time.Parse(time.RFC3339Nano, text)
		if (err == nil) != (wantErr == nil) || err == nil && got != toMicroseconds(want) {
			t.Fatalf("%s is %v (%v), want %v (%v)", text, got, err, want, wantErr)
		}
	})
}
