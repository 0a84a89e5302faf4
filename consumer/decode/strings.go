package decode

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf16"

	"github.com/go-faster/jx"
)

// stringBytes is what the string that comes next says, valid until the decoder is
// used again. An unpaired surrogate is refused: it has no place in UTF-8, and the
// parser puts U+FFFD for it, which would make one id of two.
func stringBytes(d *jx.Decoder) ([]byte, error) {
	raw, err := d.Raw()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	if hasUnpairedSurrogate(raw) {
		return nil, bad(`must not contain an unpaired surrogate, an escape from \ud800 to \udfff without its other half`)
	}
	return jx.DecodeBytes(raw).StrBytes()
}

// hasUnpairedSurrogate looks through the escapes of a string of valid JSON.
func hasUnpairedSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, is := escapedUnit(raw[i:])
		if !is {
			i++ // an escape of one character, which may be a backslash
			continue
		}
		i += len(`\u0000`) - 1
		if !utf16.IsSurrogate(unit) {
			continue
		}
		other, _ := escapedUnit(raw[i+1:])
		if utf16.DecodeRune(unit, other) == unicode.ReplacementChar {
			return true
		}
		i += len(`\u0000`)
	}
	return false
}

// escapedUnit is the unit of UTF-16 that an escape like \u0041 at the beginning
// stands for.
func escapedUnit(raw []byte) (unit rune, is bool) {
	const size = len(`\u0000`)
	if len(raw) < size || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:size]), 16, 16)
	return rune(n), err == nil
}
