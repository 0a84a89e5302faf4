package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"referral/billing"
	"referral/billing/forecast"
	"referral/billing/suspicion"
	"referral/models"
)

// Insight reads what the nightly forecast and the search for suspicions are made of, and
// keeps what they find.
type Insight interface {
	ForEachEntitled(ctx context.Context, from models.Date, months []models.Period, see func(*models.AccountHistory) error) error
	ReplaceForecast(ctx context.Context, f models.Forecast) error
	ReplaceActualCosts(ctx context.Context, month models.Period, costs []models.Cost) error
	ReferralGraph(ctx context.Context, account func(id int64, p models.Profile), referral func(models.Referral)) error
	AccountHistories(ctx context.Context, ids []int64, see func(*models.AccountHistory) error) error
	ReplaceSuspicions(ctx context.Context, search models.SuspicionSearch, found []models.Suspicion) error
}

// lookAhead forecasts what granted discounts will cost, and searches for suspicions.
func (s *Scheduler) lookAhead(ctx context.Context, slot string) error {
	mine, err := s.Auditor.ClaimSlot(ctx, "look-ahead@"+slot)
	if err != nil || !mine {
		return err
	}
	return errors.Join(s.Forecast(ctx, s.Settler.Now()), s.Suspect(ctx))
}

// Forecast keeps what granted discounts will cost in the months from a time on.
func (s *Scheduler) Forecast(ctx context.Context, at time.Time) error {
	periods, err := s.Settler.Calendar.Periods(ctx)
	if err != nil {
		return err
	}
	today := s.Settler.Programme.Local(at)
	f := forecast.New(s.Settler.Programme, today)
	err = s.Insight.ForEachEntitled(ctx, today.Period().First(), forecast.SpendMonths(periods, today), func(c *models.AccountHistory) error {
		f.Account(c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("forecasting: %w", err)
	}
	s.logFailures("left out of the forecast", f.Failures)
	return s.Insight.ReplaceForecast(ctx, models.Forecast{MadeFor: today.Period(), MadeAt: at, Costs: f.Costs()})
}

// The most that a search for suspicions keeps, and how many accounts it holds in memory
// with all their documents.
const (
	maxSuspicions  = 10_000
	historiesChunk = 500
)

// Suspect searches the referrals for what a person should look at, and keeps what it
// finds with the money that it concerns.
func (s *Scheduler) Suspect(ctx context.Context) error {
	search := models.SuspicionSearch{At: s.Settler.Now()}
	graph := suspicion.New()
	err := s.Insight.ReferralGraph(ctx, func(id int64, p models.Profile) {
		search.Accounts++
		graph.Account(id, p)
	}, func(r models.Referral) {
		search.Referrals++
		graph.Referral(r)
	})
	if err != nil {
		return fmt.Errorf("searching for suspicions: %w", err)
	}
	found := graph.Findings()
	search.Found = int64(len(found))
	if len(found) > maxSuspicions {
		s.Settler.Log.WarnContext(ctx, "more suspicions than are kept: those with the fewest referrals are left out", "found", len(found), "kept", maxSuspicions)
		slices.SortStableFunc(found, func(a, b models.Suspicion) int { return len(b.Referrals) - len(a.Referrals) })
		found = found[:maxSuspicions]
	}
	if err := s.weigh(ctx, found); err != nil {
		return fmt.Errorf("summing up what suspicions concern: %w", err)
	}
	return s.Insight.ReplaceSuspicions(ctx, search, found)
}

// weigh says how much money each suspicion concerns.
func (s *Scheduler) weigh(ctx context.Context, found []models.Suspicion) error {
	type concern struct {
		finding *models.Suspicion
		side    suspicion.Side
	}
	p := s.Settler.Programme
	concerns := map[int64][]concern{}
	for i := range found {
		for member, side := range suspicion.Sides(p, &found[i]) {
			concerns[member] = append(concerns[member], concern{&found[i], side})
		}
	}
	var failures billing.Failures
	today := p.Local(s.Settler.Now())
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(concerns)), historiesChunk) {
		err := s.Insight.AccountHistories(ctx, ids, func(c *models.AccountHistory) error {
			failures.Attempt(c.Account.ID, func() {
				for _, of := range concerns[c.Account.ID] {
					for currency, amount := range suspicion.Posted(c, of.side) {
						of.finding.AddStake(currency, amount, 0)
					}
					for currency, amount := range suspicion.Ahead(p, c, of.side, today) {
						of.finding.AddStake(currency, 0, amount)
					}
				}
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	s.logFailures("left out of the money that suspicions concern", failures)
	return nil
}

func (s *Scheduler) logFailures(what string, f billing.Failures) {
	for _, failed := range f.Failed[:min(len(f.Failed), breaksLogged)] {
		s.Settler.Log.Error(what, "account", failed.AccountID, "error", failed.Error)
	}
}
