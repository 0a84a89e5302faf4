package models

import (
	"fmt"
	"math"
	"strings"
)

// Money is an amount in minor units (kopecks), signed as added to an invoice.
type Money int64

// MaxAmount bounds a single amount that is taken from outside, either way
// (docs/contract.md, "Bad input"): ten trillion roubles.
const MaxAmount Money = 1_000_000_000_000_000

// Add is a checked sum: a total that no longer fits, or whose negative does not, is a
// defect somewhere, and must stop the work rather than wrap around.
func (m Money) Add(n Money) Money {
	sum := m + n
	if (n > 0 && sum < m) || (n < 0 && sum > m) || sum == math.MinInt64 {
		panic(fmt.Sprintf("money overflow: %d + %d kopecks", int64(m), int64(n)))
	}
	return sum
}

// Abs is the size of an amount, without its sign.
func (m Money) Abs() Money { return max(m, -m) }

// String is "-1 420.00": grouped by thousands, two decimals.
func (m Money) String() string {
	sign, u := "", uint64(m)
	if m < 0 {
		sign, u = "-", uint64(-m)
	}
	return fmt.Sprintf("%s%s.%02d", sign, Grouped(int64(u/100)), u%100)
}

// Grouped is a whole number grouped by thousands: "-1 420".
func Grouped(n int64) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && digits[i-1] != '-' && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}
