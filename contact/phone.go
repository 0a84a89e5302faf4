package contact

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// homeRegion is the region whose numbers may be written without a country code.
const homeRegion = "RU"

// phoneCharacters is what a number may be written with. Letters and extensions are
// refused.
const phoneCharacters = "0123456789+()-. "

// plainPhone replaces every dash by a hyphen and every blank by a space, and removes
// the invisible characters of numbers copied from a page or an address book
// (direction marks, soft hyphens, joiners). Everything else stays, so that letters
// and line breaks are still refused.
func plainPhone(typed string) string {
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

// minusSign is a dash that Unicode classifies as a mathematical symbol.
const minusSign = '\u2212'

// normalizePhone returns a mobile number in E.164.
func (r Rules) normalizePhone(typed string) (string, error) {
	if strings.Trim(typed, phoneCharacters) != "" {
		return "", fmt.Errorf("%w: not a telephone number", ErrBad)
	}
	number, err := phonenumbers.Parse(typed, homeRegion)
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
		return []string{homeRegion}
	}
	return r.Regions
}

// IsRegion reports whether code is a region with telephone numbers, in upper case as
// in ISO 3166.
func IsRegion(code string) bool {
	return phonenumbers.GetCountryCodeForRegion(code) != 0 && code == strings.ToUpper(code)
}
