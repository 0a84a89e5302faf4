package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"referral/models"
)

// Roubles is an amount in whole units of the currency with at most two
// decimals, as people write it: 1000000000.00, or 1_000_000_000. It is read as
// text and never as a floating point number; in memory it is kopecks.
type Roubles models.Money

var roublesText = regexp.MustCompile(`^(\d{1,15})(?:\.(\d{1,2}))?$`)

// UnmarshalText reads "1000000000.00".
func (r *Roubles) UnmarshalText(text []byte) error {
	parts := roublesText.FindStringSubmatch(strings.ReplaceAll(string(text), "_", ""))
	if parts == nil {
		return fmt.Errorf("%q is not an amount in roubles like 1000000.00", text)
	}
	kopecks, err := strconv.ParseInt(parts[1]+(parts[2] + "00")[:2], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not an amount in roubles: %w", text, err)
	}
	*r = Roubles(kopecks)
	return nil
}

// MarshalText writes "1000000000.00".
func (r Roubles) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%02d", int64(r)/100, int64(r)%100), nil
}
