package billing

import (
	"math/big"
	"testing"

	"referral/models"
)

// exact is amount × part / whole, half away from zero, in numbers without end.
func exact(amount, part, whole int64) *big.Int {
	product := new(big.Int).Mul(big.NewInt(amount), big.NewInt(part))
	quotient, rest := new(big.Int).QuoRem(product, big.NewInt(whole), new(big.Int))
	if rest.Abs(rest).Lsh(rest, 1).Cmp(big.NewInt(whole)) >= 0 {
		quotient.Add(quotient, big.NewInt(int64(product.Sign())))
	}
	return quotient
}

// FuzzShare: the 128-bit product and its rounding, for any amount that money can
// have, also beyond what the contract lets in.
func FuzzShare(f *testing.F) {
	for _, amount := range []int64{0, 1, -1, 25, -25, 300_000, 1e15, -1e15, 1<<63 - 1, -1 << 63} {
		f.Add(amount, uint32(0), uint32(0))
		f.Add(amount, uint32(1420), uint32(2999))
		f.Add(amount, uint32(36_600), uint32(36_599))
		f.Add(amount, uint32(1), uint32(1))
		f.Add(amount, uint32(1<<32-1), uint32(1<<32-1))
	}
	f.Fuzz(func(t *testing.T, amount int64, part, whole uint32) {
		w := int(whole) + 1
		p := int(part) % (w + 1)
		got := share(models.Money(amount), p, w)
		if want := exact(amount, int64(p), int64(w)); big.NewInt(int64(got)).Cmp(want) != 0 {
			t.Errorf("%d × %d / %d = %d, want %s", amount, p, w, got, want)
		}
	})
}

// FuzzDiscountOn: a line of any length with two stretches of days of any percents.
func FuzzDiscountOn(f *testing.F) {
	f.Add(int64(300_000), uint16(30), uint16(0), uint16(19), uint16(30), uint8(40), uint8(60))
	f.Add(int64(-25), uint16(30), uint16(21), uint16(30), uint16(30), uint8(20), uint8(0))
	f.Add(int64(1e15), uint16(366), uint16(0), uint16(1), uint16(366), uint8(100), uint8(99))
	f.Add(int64(-1e15), uint16(0), uint16(0), uint16(0), uint16(1), uint8(20), uint8(100))
	f.Fuzz(func(t *testing.T, amount int64, length, from, middle, to uint16, first, second uint8) {
		amount %= int64(models.MaxAmount) + 1
		line := models.Line{From: 20_000, To: 20_000 + models.Date(length%367), Amount: models.Money(amount)}
		timeline := Timeline([]models.Discount{
			{Kind: models.Invitee, From: 20_000 + models.Date(from%400), To: 20_000 + models.Date(middle%400), Percent: int(first % 101)},
			{Kind: models.Inviter, From: 20_000 + models.Date(middle%400), To: 20_000 + models.Date(to%400), Percent: int(second % 101)},
		})
		var days, percents int64
		for day := line.From; day == line.From || day < line.To; day++ {
			days++
			for _, s := range timeline {
				if s.From <= day && day < s.To {
					percents += int64(s.Percent())
				}
			}
		}
		got := DiscountOn(&line, Within(nil, timeline, &line))
		if want := exact(amount, percents, 100*days); big.NewInt(int64(got)).Cmp(want) != 0 {
			t.Errorf("%d percent-days of %d days of %s: %s, want %s kopecks", percents, days, line.Amount, got, want)
		}
	})
}
