package billing

import (
	"cmp"
	"slices"
	"time"

	"referral/models"
)

// Clock is a schedule: the next time it fires after an instant; the zero time when
// it never does.
type Clock interface {
	Next(after time.Time) time.Time
}

// Due tells whether a period's own run is due: the period is over, and the schedule has
// fired since it ended. The monthly run, the start-up and the nightly catch-up use it.
func (p *Programme) Due(period models.Period, schedule Clock, now time.Time) bool {
	if !p.PeriodOver(period, now) {
		return false
	}
	end := period.End().Time()
	ended := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, p.Zone)
	fires := schedule.Next(ended.Add(-time.Nanosecond))
	return !fires.IsZero() && !fires.After(now)
}

// PeriodOver tells whether a month has ended, in the days of the programme's zone.
func (p *Programme) PeriodOver(period models.Period, now time.Time) bool {
	return p.Local(now) >= period.End()
}

// MissedPeriods is the periods whose own run is due and has not been made, the oldest
// first.
func (p *Programme) MissedPeriods(periods []models.PeriodInfo, schedule Clock, now time.Time) []models.Period {
	var missed []models.Period
	for _, info := range periods {
		if info.State == models.PeriodOpen && p.Due(info.Period, schedule, now) {
			missed = append(missed, info.Period)
		}
	}
	slices.Sort(missed)
	return missed
}

// Stale is the periods that were run, closed or not, and that later facts have
// touched, the oldest first.
func Stale(periods []models.PeriodInfo) []models.Period {
	var stale []models.Period
	for _, info := range periods {
		if info.State != models.PeriodOpen && info.Stale > 0 {
			stale = append(stale, info.Period)
		}
	}
	slices.Sort(stale)
	return stale
}

// PostingPeriod is the period that a period's differences are posted to: itself,
// or once it is closed the first one after it that is not.
func PostingPeriod(periods []models.PeriodInfo, p models.Period) models.Period {
	closed := map[models.Period]bool{}
	for _, info := range periods {
		closed[info.Period] = info.State == models.PeriodClosed
	}
	for closed[p] {
		p = p.Next()
	}
	return p
}

// PeriodsPostedTo is the closed periods whose differences are posted to a period and
// settled along with it, the oldest first.
func PeriodsPostedTo(periods []models.PeriodInfo, period models.Period) []models.Period {
	return slices.DeleteFunc(Stale(periods), func(p models.Period) bool {
		return p == period || PostingPeriod(periods, p) != period
	})
}

// LimitsFor is the brake of a run. Shares and changes are measured on a month's own run
// only. Source: docs/rules.md, "Settlement and the brake".
func (p *Programme) LimitsFor(run models.Run) Limits {
	limits := p.TermsOn(run.Period.First()).Brake
	if run.Kind != models.RunRegular {
		limits.LargestFull, limits.LargestChange = 0, 0
	}
	return limits
}

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
