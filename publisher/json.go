package publisher

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"referral/models"
)

// The functions of this file append JSON values the way encoding/json writes
// them without HTML escaping. They exist because reflection over a run's
// documents would cost more than all else that publishing does.

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // of what has not been copied yet
	for i := 0; i < len(s); {
		if plain(s[i]) {
			i++
			continue
		}
		size, escape := escaped(s[i:])
		if escape != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, escape...)
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plain tells whether a byte is a character that is written as it is.
func plain(c byte) bool { return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' }

// escaped is the size of the first character of s, and how it is written; empty
// when as it is.
func escaped(s string) (size int, escape string) {
	r, size := utf8.DecodeRuneInString(s)
	switch r {
	case '"':
		return size, `\"`
	case '\\':
		return size, `\\`
	case '\b':
		return size, `\b`
	case '\f':
		return size, `\f`
	case '\n':
		return size, `\n`
	case '\r':
		return size, `\r`
	case '\t':
		return size, `\t`
	case '\u2028':
		return size, `\u2028`
	case '\u2029':
		return size, `\u2029`
	}
	switch {
	case r == utf8.RuneError && size == 1:
		return size, `\ufffd`
	case r < ' ':
		return size, `\u00` + hex.EncodeToString([]byte{byte(r)})
	}
	return size, ""
}

func appendUUID(dst []byte, u models.UUID) []byte {
	dst = append(dst, '"')
	for i, from := range [...]int{0, 4, 6, 8, 10} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, u[from:[...]int{4, 6, 8, 10, 16}[i]])
	}
	return append(dst, '"')
}

func appendDate(dst []byte, d models.Date) []byte {
	return append(d.Append(append(dst, '"')), '"')
}

func digit(n int) byte { return '0' + byte(n%10) }

func appendPeriod(dst []byte, p models.Period) []byte {
	n := int(p)
	if n < 0 || n > 9999_99 {
		return appendString(dst, p.String())
	}
	return append(dst, '"', digit(n/100000), digit(n/10000), digit(n/1000), digit(n/100), '-', digit(n/10), digit(n), '"')
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendInt[T ~int | ~int64](dst []byte, n T) []byte {
	return strconv.AppendInt(dst, int64(n), 10)
}
