package finance_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/finance"
)

// endless is a storage whose accounts do not come to an end.
type endless struct{ finance.Store }

func (endless) ForEachAccount(ctx context.Context, _ models.Period, _ func(*models.AccountHistory) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// A comparison that takes too long ends by itself; one whose person has gone away, as
// soon as that.
func TestSimulationEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := billing.NewProgramme(time.UTC, []billing.Terms{{
			EffectiveFrom: models.NewDate(2020, 1, 1), Invitee: billing.InviteeTerms{Percent: 20, Months: 3}, Ladder: []billing.StepTerms{{Percent: 20, Months: 3}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := finance.New(finance.Options{
			Store: endless{}, Programme: p, Now: time.Now, Replay: func(context.Context, int64, *models.Message) error { return nil },
			Sign: func(_ context.Context, s models.Signature) (models.Signature, error) { return s, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := s.Simulate(t.Context(), s.PresentTerms(), []models.Period{202604}); !errors.Is(err, finance.ErrSimulationLong) || time.Since(begun) != finance.MaxSimulationTime {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Simulate(ctx, s.PresentTerms(), []models.Period{202604}); err == nil || errors.Is(err, finance.ErrSimulationLong) {
			t.Errorf("without a person: %v", err)
		}
	})
}
