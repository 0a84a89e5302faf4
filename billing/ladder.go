package billing

import (
	"cmp"
	"slices"

	"referral/models"
)

// LadderStep is one activation of an inviter's code and where on the ladder it led.
type LadderStep struct {
	On        models.Date `json:"on"`
	InviteeID int64       `json:"friend_id"`
	Step      int         `json:"step"` // from 1
	Percent   int         `json:"percent"`
	End       models.Date `json:"end"`           // first day without the discount, as known after this activation
	SMS       int         `json:"sms,omitempty"` // package given for reaching the step; 0 for none
	Restart   bool        `json:"restart"`       // no discount was active before
}

// Ladder folds an inviter's accepted activations, in any order, into the steps
// they led to. Source: docs/programme.md, "The inviter's ladder".
func (p *Programme) Ladder(referrals []models.Referral) []LadderStep {
	steps := make([]LadderStep, 0, len(referrals))
	var last LadderStep
	for _, r := range p.inOrder(referrals) {
		last = p.climb(last, r.InviteeID, p.Local(r.ActivatedAt))
		steps = append(steps, last)
	}
	return steps
}

func (p *Programme) inOrder(referrals []models.Referral) []models.Referral {
	sorted := slices.Clone(referrals)
	// By the instant is by (local date, time): a day never ends before it begins.
	slices.SortFunc(sorted, func(a, b models.Referral) int {
		return cmp.Or(a.ActivatedAt.Compare(b.ActivatedAt), cmp.Compare(a.InviteeID, b.InviteeID))
	})
	return sorted
}

func (p *Programme) climb(last LadderStep, invitee int64, on models.Date) LadderStep {
	terms := p.TermsOn(on)
	next := LadderStep{InviteeID: invitee, On: on, Step: 1, Restart: true}
	if last.Step > 0 && on < last.End {
		next.Step, next.Restart = min(last.Step+1, len(terms.Ladder)), false
	}
	row := terms.Ladder[next.Step-1]
	next.Percent = row.Percent
	next.End = max(last.End, on.AddMonths(row.Months))
	if next.Restart || next.Step > last.Step {
		next.SMS = row.SMS
	}
	return next
}

// ladderDiscounts is the percents that the steps give, day by day: each holds
// until the next activation or the end.
func ladderDiscounts(account int64, steps []LadderStep) []models.Discount {
	var discounts []models.Discount
	for i, r := range steps {
		to := r.End
		if i+1 < len(steps) {
			to = min(to, steps[i+1].On)
		}
		if r.On < to {
			discounts = append(discounts, models.Discount{
				AccountID: account, Kind: models.Inviter, From: r.On, To: to, Percent: r.Percent, Step: r.Step,
			})
		}
	}
	return discounts
}

// grants is the packages earned on the steps, counted by size: by day, size and
// number.
func grants(account int64, steps []LadderStep) []models.Grant {
	var earned []models.Grant
	count := map[int]int{}
	for _, r := range steps {
		if r.SMS == 0 {
			continue
		}
		count[r.SMS]++
		earned = append(earned, models.Grant{
			AccountID: account, SMS: r.SMS, Ordinal: count[r.SMS], GrantedOn: r.On, Step: r.Step,
		})
	}
	// The storage returns them so; in another order they would seem changed.
	slices.SortFunc(earned, func(a, b models.Grant) int {
		return cmp.Or(cmp.Compare(a.GrantedOn, b.GrantedOn), cmp.Compare(a.SMS, b.SMS), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	return earned
}
