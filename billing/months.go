package billing

import (
	"cmp"
	"slices"

	"referral/models"
)

// MonthMoney is what a month brought: the invoices of the period and what the
// ledger holds on them. A month with invoices in two currencies has one for each.
type MonthMoney struct {
	Period   models.Period
	Currency string
	Highest  int          // percent, of any day of the month
	Charged  models.Money // before any discount
	Discount models.Money // posted, and not refused by billing, as added to the invoices: negative is a discount
	Waiting  models.Money // owed by the facts and not posted yet
	Review   models.Money // posted, rejected by billing, and not settled: sent again perhaps, and not answered since
	Settled  models.Money // posted, rejected by billing, and settled by hand
	Invoices []InvoiceSums
}

// Months is what the invoices of an account brought it, month by month, the newest first. An invoice that was cancelled before anything was posted on
// it brought nothing and is left out.
func (p *Programme) Months(c *models.AccountHistory) []MonthMoney {
	timeline := Timeline(p.EntitlementsOf(c).Discounts)
	var months []MonthMoney
	for i := range c.Invoices {
		sums := p.invoiceSums(timeline, &c.Invoices[i])
		if sums.Lines == 0 && len(c.Invoices[i].Documents) == 0 {
			continue
		}
		at := slices.IndexFunc(months, func(m MonthMoney) bool { return m.Period == sums.Period && m.Currency == sums.Currency })
		if at < 0 {
			at, months = len(months), append(months, MonthMoney{
				Period: sums.Period, Currency: sums.Currency, Highest: highest(timeline, sums.Period),
			})
		}
		months[at].add(sums)
	}
	slices.SortFunc(months, func(a, b MonthMoney) int {
		return cmp.Or(cmp.Compare(b.Period, a.Period), cmp.Compare(a.Currency, b.Currency))
	})
	return months
}

func (m *MonthMoney) add(s InvoiceSums) {
	m.Charged = m.Charged.Add(s.Charged)
	m.Discount = m.Discount.Add(s.Booked())
	m.Review = m.Review.Add(s.Rejected).Add(s.Resent)
	m.Settled = m.Settled.Add(s.WrittenOff)
	m.Waiting = m.Waiting.Add(s.Difference)
	m.Invoices = append(m.Invoices, s)
}

// highest is the largest percentage of any day of a month.
func highest(timeline []models.Segment, month models.Period) (percent int) {
	for _, s := range timeline {
		if s.From < month.End() && month.First() < s.To {
			percent = max(percent, s.Percent())
		}
	}
	return percent
}
