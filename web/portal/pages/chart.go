package pages

import (
	"slices"

	"referral/billing"
	"referral/models"
	"referral/web/portal/pages/ru"
)

// chart is the discount of each month shown, the oldest first.
type chart struct {
	Bars    []bar
	Waiting bool // some bar has a part that is not posted yet
}

// bar is a month: heights are percent of the highest. Its parts are together what
// its figure says.
type bar struct {
	Short, Title string
	Money        string
	Posted       int
	Waiting      int
	Base         int // where the posted part begins, seen from the top
	Top          int // and the waiting part above it
}

// chartOf is empty when no month has a discount.
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

// sum is what a month brings once everything is posted.
func sum(m *billing.MonthMoney) models.Money { return m.Discount.Add(m.Waiting) }

// off is a discount as a positive amount; what is charged back is none.
func off(m models.Money) models.Money { return max(0, -m) }

func barOf(m *billing.MonthMoney, highest models.Money) bar {
	whole := off(sum(m))
	// A correction of the other sign makes the posted part smaller, and is no part.
	posted := min(off(m.Discount), whole)
	b := bar{
		Short: ru.MonthShort(m.Period), Title: ru.MonthTitle(m.Period), Money: ru.Off(sum(m), currencyOf(m)),
		Posted: part(posted, highest), Waiting: part(whole-posted, highest),
	}
	b.Base = 100 - b.Posted
	b.Top = b.Base - b.Waiting
	return b
}

// part of a whole in percent; something is never drawn as nothing.
func part(m, whole models.Money) int {
	if m == 0 {
		return 0
	}
	return max(1, int(float64(m)/float64(whole)*100))
}

func currencyOf(m *billing.MonthMoney) string {
	if len(m.Invoices) == 0 {
		return ""
	}
	return m.Invoices[0].Currency
}
