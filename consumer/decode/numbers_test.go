package decode

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/go-faster/jx"
	"pgregory.net/rapid"
)

// A whole number is what exact arithmetic says it is, and nothing else is one.
func TestIntegersAreExact(t *testing.T) {
	digits := rapid.StringMatching(`0|[1-9][0-9]{0,21}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + digits.Draw(t, "whole") +
			rapid.StringMatching(`(\.[0-9]{1,21})?`).Draw(t, "fraction")
		if rapid.Bool().Draw(t, "has an exponent") {
			text += rapid.SampledFrom([]string{"e", "E", "e+", "E-"}).Draw(t, "e") +
				strings.Repeat("0", rapid.IntRange(0, 2).Draw(t, "zeros")) + fmt.Sprint(rapid.IntRange(0, 45).Draw(t, "exponent"))
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		const low, high = -1_000_000_000_000_000, 9223372036854775807
		want := exact.IsInt() && exact.Cmp(big.NewRat(low, 1)) >= 0 && exact.Cmp(big.NewRat(high, 1)) <= 0
		got, err := integer(jx.DecodeStr(text), low, high)
		if (err == nil) != want || want && got != exact.Num().Int64() {
			t.Fatalf("%s is %d (%v), want %s (%v)", text, got, err, exact, want)
		}
		if err != nil && strings.Contains(err.Error(), "fraction") == exact.IsInt() {
			t.Fatalf("%s: %v", text, err)
		}
	})
}
