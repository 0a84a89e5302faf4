package billing

import (
	"errors"
	"fmt"

	"referral/models"
)

// Limits are the brake: a run beyond them posts nothing and waits for a person.
// A zero limit is off.
type Limits struct {
	LargestTotal  models.Money // of a run's discounts, either way
	LargestFull   int          // percent of the accounts adjusted that reach 100 %
	LargestChange int          // percent by which the discounts may differ from the month before
	SmallestCount int64        // accounts adjusted, below which shares and changes say nothing
}

func (l Limits) validate() error {
	if l.LargestTotal < 0 || l.LargestFull < 0 || l.LargestChange < 0 || l.SmallestCount < 0 {
		return errors.New("brake: a limit below zero")
	}
	return nil
}

// acceptedPart is the part of an accepted total, as a divisor, by which the run that posts
// it may differ: facts go on coming between the two.
const acceptedPart = 10

// Brake says which limits hold a rehearsed run back: none when persons have accepted it,
// unless it comes to another total than they saw. before is the posted totals of the month
// before. Source: docs/rules.md, "Settlement and the brake".
func (p *Programme) Brake(run models.Run, before models.Totals) []string {
	broken := p.LimitsFor(run).Check(run.Totals, before)
	switch {
	case len(broken) == 0 || run.Accepted && run.AcceptedAmount == nil:
		return nil
	case !run.Accepted:
		return broken
	}
	accepted := *run.AcceptedAmount
	if (run.Totals.Amount - accepted).Abs() <= accepted.Abs()/acceptedPart {
		return nil
	}
	return append(broken, fmt.Sprintf("the discounts total %s, and %s were accepted (accepted_total)", run.Totals.Amount.Abs(), accepted.Abs()))
}

// Check compares the totals of a rehearsed run with the limits and says which are
// exceeded. before is the posted totals of the month before; its Accounts are
// 0 when there was none.
func (l Limits) Check(run, before models.Totals) []string {
	var broken []string
	if size := run.Amount.Abs(); l.LargestTotal > 0 && size > l.LargestTotal {
		broken = append(broken, fmt.Sprintf("the discounts total %s, more than the %s allowed (largest_total)", size, l.LargestTotal))
	}
	if run.Accounts < max(l.SmallestCount, 1) {
		return broken
	}
	if l.LargestFull > 0 && run.Full*100 > int64(l.LargestFull)*run.Accounts {
		broken = append(broken, fmt.Sprintf("%d of %d accounts reach 100 %%, more than the %d %% allowed (largest_full_share)",
			run.Full, run.Accounts, l.LargestFull))
	}
	if l.LargestChange > 0 && before.Accounts >= max(l.SmallestCount, 1) {
		if change := changePercent(run.Amount, before.Amount); change > float64(l.LargestChange) {
			broken = append(broken, fmt.Sprintf("the discounts changed by %.0f %% against the month before (%s, then %s), more than the %d %% allowed (largest_change)",
				change, before.Amount.Abs(), run.Amount.Abs(), l.LargestChange))
		}
	}
	return broken
}

// changePercent is for the brake, which needs no exact number. Money itself is never
// calculated in floating point.
func changePercent(now, before models.Money) float64 {
	if before == 0 {
		return 0
	}
	change := 100 * (float64(now) - float64(before)) / float64(before)
	return max(change, -change)
}
