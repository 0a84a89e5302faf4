// Package forecast says what granted discounts will cost in the months to come, and what
// they came to.
package forecast

import (
	"maps"
	"slices"

	"referral/billing"
	"referral/models"
)

// Months is how many months a forecast covers, the present one included.
const Months = 12

// spendMonths is from how many months an account's spend is taken.
const spendMonths = 3

// Forecast is the cost of granted discounts by month, currency, kind and step.
type Forecast struct {
	programme *billing.Programme
	today     models.Date
	costs     map[models.CostKey]models.Money

	billing.Failures // of accounts, which the forecast leaves out
}

// New begins the forecast of a day.
func New(p *billing.Programme, today models.Date) *Forecast {
	return &Forecast{programme: p, today: today, costs: map[models.CostKey]models.Money{}}
}

// SpendMonths is the months whose invoices a forecast of a day needs: the last three
// that are over and known.
func SpendMonths(periods []models.PeriodInfo, today models.Date) []models.Period {
	var over []models.Period
	for i := range periods {
		if p := periods[i].Period; p < today.Period() {
			over = append(over, p)
		}
	}
	slices.Sort(over)
	return over[max(0, len(over)-spendMonths):]
}

// Account takes in an account with its invoices. A panic in its arithmetic is counted
// and named.
func (f *Forecast) Account(c *models.AccountHistory) {
	f.Attempt(c.Account.ID, func() {
		for key, amount := range Of(f.programme, c, f.today) {
			f.costs[key] = f.costs[key].Add(amount)
		}
	})
}

// Costs is the forecast, by month, currency, kind and step.
func (f *Forecast) Costs() []models.Cost { return inOrder(f.costs) }

// Of is what the discounts that an account is granted by a day will cost, signed as
// added to invoices: the percent of each day of a month, of what the account has spent a
// month. A discount that waits for the end of the promo period begins on the day that
// was planned, or on this day when that has passed or is unknown.
func Of(p *billing.Programme, c *models.AccountHistory, today models.Date) map[models.CostKey]models.Money {
	costs := map[models.CostKey]models.Money{}
	spends := spendOf(p, c, today.Period())
	if len(spends) == 0 {
		return costs
	}
	discounts := granted(p, c, today)
	timeline := billing.Timeline(discounts)
	month := today.Period()
	for range Months {
		for currency, spend := range spends {
			line := models.Line{From: month.First(), To: month.End(), Amount: spend}
			for key, days := range billing.DaysByStep(month, discounts, billing.Within(nil, timeline, &line)) {
				if amount := billing.DiscountOn(&line, days); amount != 0 {
					key.Currency = currency
					costs[key] = -amount
				}
			}
		}
		month = month.Next()
	}
	return costs
}

func granted(p *billing.Programme, c *models.AccountHistory, today models.Date) []models.Discount {
	own := c.Accepted()
	if !billing.AwaitsPromoEnd(&c.Account, own) {
		return p.EntitlementsOf(c).Discounts
	}
	account, begins := c.Account, today
	if planned, err := models.ParseDate(account.Profile.PromoUntil); err == nil {
		begins = max(begins, planned)
	}
	account.PromoEndedAt = p.Begins(begins)
	return p.Entitlements(&account, own, c.Referrals, c.Agreed).Discounts
}

// spendOf is the mean of an account's discounted lines in the last three months that are
// over and for which it was invoiced, in each currency of the newest of them: one that it
// is not invoiced in any more costs nothing.
func spendOf(p *billing.Programme, c *models.AccountHistory, present models.Period) map[string]models.Money {
	sums := map[string]map[models.Period]models.Money{}
	var newest models.Period
	for i := range c.Invoices {
		inv := &c.Invoices[i].Invoice
		if inv.Period >= present || len(inv.Lines) == 0 {
			continue
		}
		newest = max(newest, inv.Period)
		if sums[inv.Currency] == nil {
			sums[inv.Currency] = map[models.Period]models.Money{}
		}
		sum := sums[inv.Currency][inv.Period]
		for j := range inv.Lines {
			if l := &inv.Lines[j]; p.ClassOf(inv, l) == billing.Discounted {
				sum = sum.Add(l.Amount)
			}
		}
		sums[inv.Currency][inv.Period] = sum
	}
	means := map[string]models.Money{}
	for currency, byMonth := range sums {
		if _, used := byMonth[newest]; !used {
			continue
		}
		months := slices.Sorted(maps.Keys(byMonth))
		months = months[max(0, len(months)-spendMonths):]
		var sum models.Money
		for _, month := range months {
			sum = sum.Add(byMonth[month])
		}
		if mean := sum / models.Money(len(months)); mean != 0 {
			means[currency] = mean
		}
	}
	return means
}

// Actual is what the ledger holds for the invoices of a month, by currency, kind and step.
type Actual struct {
	month models.Period
	costs map[models.CostKey]models.Money

	billing.Failures // of accounts, which are left out
}

// NewActual begins the sums of a month.
func NewActual(month models.Period) *Actual {
	return &Actual{month: month, costs: map[models.CostKey]models.Money{}}
}

// Account takes in an account with the invoices of the month and their documents. A
// panic in its arithmetic is counted and named.
func (a *Actual) Account(c *models.AccountHistory) {
	a.Attempt(c.Account.ID, func() {
		for i := range c.Invoices {
			if c.Invoices[i].Invoice.Period != a.month {
				continue
			}
			for _, line := range billing.PostedLines(&c.Invoices[i]) {
				for key, amount := range billing.ByStep(a.month, c.Stored.Discounts, line) {
					key.Currency = c.Invoices[i].Invoice.Currency
					a.costs[key] = a.costs[key].Add(amount)
				}
			}
		}
	})
}

// Costs is the sums by currency, kind and step.
func (a *Actual) Costs() []models.Cost { return inOrder(a.costs) }

func inOrder(costs map[models.CostKey]models.Money) []models.Cost {
	list := make([]models.Cost, 0, len(costs))
	for _, key := range slices.SortedFunc(maps.Keys(costs), models.CostKey.Compare) {
		list = append(list, models.Cost{CostKey: key, Amount: costs[key]})
	}
	return list
}
