package finance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
)

// SimulationStore is the methods of the storage for comparing terms.
type SimulationStore interface {
	ForEachAccount(ctx context.Context, period models.Period, see func(*models.AccountHistory) error) error
}

// The limits of a comparison on the pages. `referral simulate` has none but that of
// months.
const (
	MaxSimulatedMonths = 12
	MaxSimulationTime  = 2 * time.Minute
)

// Why terms are not compared. Errors of Simulate wrap one of them, or mean that the
// database does not answer.
var (
	ErrBadTerms       = errors.New("finance: these terms are not possible")
	ErrTooManyMonths  = errors.New("finance: too many months, or none")
	ErrSimulationBusy = errors.New("finance: another comparison is under way")
	ErrSimulationLong = errors.New("finance: the comparison takes too long")
)

// PresentTerms is the terms in force today.
func (s *Service) PresentTerms() billing.Terms {
	return *s.o.Programme.TermsOn(s.o.Programme.Local(s.o.Now()))
}

// Simulate compares what months cost with what they would have cost under other terms in
// force from the very beginning. One comparison is made at a time; it ends with an error
// after MaxSimulationTime.
func (s *Service) Simulate(ctx context.Context, terms billing.Terms, months []models.Period) (*whatif.Comparison, error) {
	if len(months) == 0 || len(months) > MaxSimulatedMonths {
		return nil, fmt.Errorf("%w: %d", ErrTooManyMonths, len(months))
	}
	terms.EffectiveFrom = slices.MinFunc(s.o.Programme.Versions, func(a, b billing.Terms) int { return int(a.EffectiveFrom - b.EffectiveFrom) }).EffectiveFrom
	other, err := billing.NewProgramme(s.o.Programme.Zone, []billing.Terms{terms})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadTerms, err)
	}
	if !s.simulating.TryLock() {
		return nil, ErrSimulationBusy
	}
	defer s.simulating.Unlock()
	limited, cancel := context.WithTimeout(ctx, MaxSimulationTime)
	defer cancel()
	c := whatif.New(s.o.Programme, other)
	for _, month := range months {
		c.Begin(month)
		err := s.o.Store.ForEachAccount(limited, month, func(h *models.AccountHistory) error {
			c.Account(h)
			return nil
		})
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			return nil, fmt.Errorf("%w: %w", ErrSimulationLong, err)
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}
