package billing

import (
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
