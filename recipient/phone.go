package recipient

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// home is the region whose notations need no country code.
const home = "RU"

// notation is the signs that people write numbers with; letters and extensions
// are not among them.
const notation = "0123456789+()-. "

// plainNotation is a number with typists' signs as a keyboard has them: any dash
// is a hyphen, any blank a space, and the marks that a number copied from a page
// or an address book brings along (direction, soft hyphen, joiners) are left out.
// Nothing else changes, so that a letter or a line break is still there to be
// refused.
func plainNotation(typed string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.Is(unicode.Cf, c):
			return -1
		case unicode.Is(unicode.Pd, c), c == minusSign:
			return '-'
		case unicode.Is(unicode.Zs, c):
			return ' '
		}
		return c
	}, typed)
}

// minusSign is the dash that Unicode counts among the signs of mathematics.
const minusSign = '\u2212'

// readPhone is a mobile number in E.164.
func (r Rules) readPhone(typed string) (string, error) {
	if strings.Trim(typed, notation) != "" {
		return "", fmt.Errorf("%w: not a telephone number", ErrBad)
	}
	number, err := phonenumbers.Parse(typed, home)
	if err != nil {
		return "", fmt.Errorf("%w: not a telephone number", ErrBad)
	}
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST:
		return "", fmt.Errorf("%w", ErrPremium)
	default:
		return "", fmt.Errorf("%w: not a mobile number", ErrBad)
	}
	if !slices.Contains(r.regions(), phonenumbers.GetRegionCodeForNumber(number)) {
		return "", fmt.Errorf("%w: a number of another country", ErrBad)
	}
	return phonenumbers.Format(number, phonenumbers.E164), nil
}

func (r Rules) regions() []string {
	if len(r.Regions) == 0 {
		return []string{home}
	}
	return r.Regions
}

// Region tells whether a region has telephone numbers.
func Region(code string) bool {
	return cmp.Or(phonenumbers.GetCountryCodeForRegion(code), 0) != 0 && code == strings.ToUpper(code)
}
