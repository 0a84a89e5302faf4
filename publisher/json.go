package publisher

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"referral/models"
)

// The functions of this file append JSON values the way encoding/json writes
// them without HTML escaping. They exist because reflection over a run's
// documents would cost more than all else that publishing does.

func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			dst, _ = appendJSON(dst, s) // a string always has a form
			return dst
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

// appendJSON appends a value by reflection. With an error, dst is as it was.
func appendJSON(dst []byte, v any) ([]byte, error) {
	w := bytes.NewBuffer(dst)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
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
	return append(t.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

func appendInt[T ~int | ~int64](dst []byte, n T) []byte {
	return strconv.AppendInt(dst, int64(n), 10)
}
