package models_test

import (
	"math"
	"testing"

	"referral/models"
)

func TestMoneyIsWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		kopecks models.Money
		want    string
	}{
		{0, "0.00"}, {1, "0.01"}, {-1, "-0.01"}, {10, "0.10"}, {99, "0.99"}, {-99, "-0.99"}, {100, "1.00"},
		{99_999, "999.99"}, {100_000, "1 000.00"}, {-142_000, "-1 420.00"}, {300_000, "3 000.00"},
		{12_345_678, "123 456.78"}, {123_456_789, "1 234 567.89"},
		{models.MaxAmount, "10 000 000 000 000.00"}, {-models.MaxAmount, "-10 000 000 000 000.00"},
		{math.MaxInt64, "92 233 720 368 547 758.07"}, {math.MinInt64, "-92 233 720 368 547 758.08"},
	} {
		if got := c.kopecks.String(); got != c.want {
			t.Errorf("%d kopecks are written %q, want %q", int64(c.kopecks), got, c.want)
		}
	}
}

func TestMaxAmountIsTenTrillionRoubles(t *testing.T) {
	if models.MaxAmount != 1e15 {
		t.Errorf("the largest amount is %d kopecks, the contract says 10^15", int64(models.MaxAmount))
	}
}

func TestMoneyAdds(t *testing.T) {
	for _, c := range []struct{ a, b, want models.Money }{
		{1, 2, 3}, {-5, 3, -2}, {5, -5, 0}, {0, 0, 0},
		{math.MaxInt64, 0, math.MaxInt64}, {math.MaxInt64 - 1, 1, math.MaxInt64},
		{math.MinInt64 + 1, 0, math.MinInt64 + 1}, {math.MinInt64 + 2, -1, math.MinInt64 + 1},
		{math.MaxInt64, math.MinInt64, -1},
	} {
		if got := c.a.Add(c.b); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := c.b.Add(c.a); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

// A sum that does not fit stops the work: a total that wrapped around would be
// a wrong total that looks right.
func TestMoneyNeverWrapsAround(t *testing.T) {
	for _, c := range [][2]models.Money{
		{math.MaxInt64, 1}, {1, math.MaxInt64}, {math.MaxInt64, math.MaxInt64},
		{math.MinInt64, -1}, {-1, math.MinInt64}, {math.MinInt64, math.MinInt64},
		{math.MinInt64, 0}, {math.MinInt64 + 1, -1}, // it has no negative
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d + %d did not stop", int64(c[0]), int64(c[1]))
				}
			}()
			sum := c[0].Add(c[1])
			t.Logf("the sum was %d", int64(sum))
		}()
	}
}
