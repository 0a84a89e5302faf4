package pages

import (
	"slices"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/chart"
)

// monthChart is the discount of each month shown, the oldest first.
type monthChart struct {
	Bars    []bar
	Waiting bool // some bar has a part that is not posted yet
}

// bar is a month.
type bar struct {
	Short, Title string
	Money        string
	Parts        []chart.Part
}

// barClasses are those of what is posted and of what is not yet.
var barClasses = []string{"bar-posted", "bar-waiting"}

// chartOf returns an empty chart if no month has a discount.
func chartOf(months []billing.MonthMoney) monthChart {
	var c monthChart
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
		c.Waiting = c.Waiting || b.Parts[1].Size > 0
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
	return bar{
		Short: ru.MonthShort(m.Period), Title: ru.MonthTitle(m.Period), Money: ru.Off(sum(m), m.Currency),
		Parts: chart.Bar(highest, barClasses, posted, whole-posted),
	}
}
