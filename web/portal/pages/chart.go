package pages

import (
	"slices"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
)

// chart is the discount of each month shown, the oldest first.
type chart struct {
	Bars    []bar
	Waiting bool // some bar has a part that is not posted yet
}

// bar is a month. Heights are percent of the highest bar.
type bar struct {
	Short, Title string
	Money        string
	Posted       int
	Waiting      int
	Base         int // top of the posted part, from the top of the chart
	Top          int // top of the waiting part above it
}

// chartOf returns an empty chart if no month has a discount.
func chartOf(months []billing.MonthMoney) chart {
	var c chart
	highest := models.Money(0)
	for i := range months {
		highest = max(highest, off(sum(&months[i])))
	}
	if highest == 0 {
		return c
	}
	for _, m := range slices.Backward(months) {
		b := barOf(&m, highest)
		c.Bars = append(c.Bars, b)
		c.Waiting = c.Waiting || b.Waiting > 0
	}
	return c
}

// sum is the discount of a month once everything is posted.
func sum(m *billing.MonthMoney) models.Money { return m.Discount.Add(m.Waiting) }

// off returns a discount as a positive amount; 0 for a charge.
func off(m models.Money) models.Money { return max(0, -m) }

func barOf(m *billing.MonthMoney, highest models.Money) bar {
	whole := off(sum(m))
	// A correction with the other sign makes the posted part smaller.
	posted := min(off(m.Discount), whole)
	b := bar{
		Short: ru.MonthShort(m.Period), Title: ru.MonthTitle(m.Period), Money: ru.Off(sum(m), m.Currency),
		Posted: part(posted, highest), Waiting: part(whole-posted, highest),
	}
	b.Base = 100 - b.Posted
	b.Top = b.Base - b.Waiting
	return b
}

// part returns m in percent of whole; at least 1 unless m is 0.
func part(m, whole models.Money) int {
	if m == 0 {
		return 0
	}
	return max(1, int(float64(m)/float64(whole)*100))
}
