package billing_test

import (
	"math"
	"testing"
	"time"

	"referral/billing"
	"referral/models"
)

func TestASimulationComparesTwoTerms(t *testing.T) {
	a := newAudited(t)
	terms := customerTerms()
	terms.Ladder[0].Percent, terms.Ladder[0].SMS = 50, 300
	other, err := billing.NewProgramme(time.UTC, []billing.Terms{terms})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		period   models.Period
		present  models.Money
		other    models.Money
		packages int64
		affected int64
	}{
		{202602, 0, 0, 0, 0}, {202603, 0, 0, 1, 1}, {202604, -6000, -15000, 0, 1},
	} {
		s := billing.NewSimulation(a.p, other, c.period)
		s.Account(a.friendly(1))
		got := [4]int64{int64(s.Present.Discounts["RUB"].Amount), int64(s.Other.Discounts["RUB"].Amount), s.Other.Packages, s.Affected}
		if want := [4]int64{int64(c.present), int64(c.other), c.packages, c.affected}; got != want || s.Present.Packages != 0 {
			t.Errorf("%s: %v, want %v", c.period, got, want)
		}
	}
}

// An account that cannot be calculated counts on neither side.
func TestASimulationLeavesOutWhatItCannotReckon(t *testing.T) {
	a := newAudited(t)
	broken := a.friendly(1)
	for range 20 {
		line := broken.Invoices[0].Invoice.Lines[0]
		line.Amount = math.MaxInt64 / 4
		broken.Invoices[0].Invoice.Lines = append(broken.Invoices[0].Invoice.Lines, line)
	}
	s := billing.NewSimulation(a.p, a.p, 202604)
	s.Account(broken)
	s.Account(a.friendly(2))
	if s.FailedCount != 1 || s.Failed[0].AccountID != 1 || s.Present.Discounts["RUB"].Amount != -6000 || s.Accounts != 2 {
		t.Errorf("%+v", s)
	}
}
