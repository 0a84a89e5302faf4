package decode

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-faster/jx"
)

// integer is a whole number from low to high in any spelling that JSON has for it:
// 885, 885.0 or 8.85e2. It is exact, where a detour by floating point would round.
func integer(d *jx.Decoder, low, high int64) (int64, error) {
	if d.Next() != jx.Number {
		return 0, wrongType(d, "an integer")
	}
	number, err := d.Num()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		digits, exponent, negative := scientific(number)
		if exponent < 0 {
			return 0, invalid("must be an integer, but has a fraction")
		}
		n, err = expand(digits, exponent, negative)
	}
	if err != nil || n < low || n > high {
		return 0, invalid(fmt.Sprintf("must be an integer from %d to %d", low, high))
	}
	return n, nil
}

// scientific splits a JSON number into its digits, without zeros at either end,
// and the power of ten that they are multiplied by. A zero has no digits.
func scientific(number []byte) (digits []byte, exponent int64, negative bool) {
	mantissa, power := number, []byte(nil)
	if at := bytes.IndexAny(number, "eE"); at >= 0 {
		mantissa, power = number[:at], number[at+1:]
	}
	mantissa, negative = bytes.CutPrefix(mantissa, []byte{'-'})
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	digits = append(append(make([]byte, 0, len(mantissa)), whole...), fraction...)
	significant := bytes.TrimRight(digits, "0")
	exponent, _ = strconv.ParseInt(string(power), 10, 32) // of a longer one: the largest, which no message has the digits to balance
	exponent += int64(len(digits)-len(significant)) - int64(len(fraction))
	if significant = bytes.TrimLeft(significant, "0"); len(significant) == 0 {
		exponent = 0
	}
	return significant, exponent, negative
}

// expand writes a number out. It has room for no more digits than an int64 has.
func expand(digits []byte, exponent int64, negative bool) (int64, error) {
	const most = 19
	switch {
	case len(digits) == 0:
		return 0, nil
	case int64(len(digits))+exponent > most:
		return 0, strconv.ErrRange
	}
	text := make([]byte, 0, most+1)
	if negative {
		text = append(text, '-')
	}
	text = append(append(text, digits...), bytes.Repeat([]byte{'0'}, int(exponent))...)
	return strconv.ParseInt(string(text), 10, 64)
}
