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

// Climb is the ladder as it holds on some days: walked with the referrals that are not
// revoked by then. Where none is revoked there is one climb, of all days.
type Climb struct {
	From  models.Date  `json:"from,omitzero"` // zero for the first
	To    models.Date  `json:"to,omitzero"`   // exclusive; zero for the last
	Steps []LadderStep `json:"steps"`         // whole, also those of other days
}

// holds tells whether a day is one of the climb's.
func (c *Climb) holds(day models.Date) bool {
	return (c.From == 0 || day >= c.From) && (c.To == 0 || day < c.To)
}

// Climbs is the ladder of an inviter, by the days on which referrals are revoked.
// Source: docs/rules.md, "Decisions of staff".
func (p *Programme) Climbs(referrals []models.Referral) []Climb {
	var days []models.Date
	for _, r := range referrals {
		if r.RevokedFrom != 0 {
			days = append(days, r.RevokedFrom)
		}
	}
	slices.Sort(days)
	climbs := []Climb{{}}
	for _, day := range slices.Compact(days) {
		climbs[len(climbs)-1].To = day
		climbs = append(climbs, Climb{From: day})
	}
	for i := range climbs {
		c := &climbs[i]
		counted := referrals
		if len(climbs) > 1 {
			counted = slices.DeleteFunc(slices.Clone(referrals), func(r models.Referral) bool {
				return r.RevokedFrom != 0 && (c.To == 0 || r.RevokedFrom < c.To)
			})
		}
		c.Steps = p.Ladder(counted)
	}
	return climbs
}

// climbOn is the climb that holds on a day.
func (p *Programme) climbOn(referrals []models.Referral, day models.Date) Climb {
	climbs := p.Climbs(referrals)
	return climbs[slices.IndexFunc(climbs, func(c Climb) bool { return c.holds(day) })]
}

// entitledByLadder is the discounts and packages of the climbs, each on its days. A
// package that several of them give is one, and the first of them dates it.
func entitledByLadder(account int64, climbs []Climb) (discounts []models.Discount, grants []models.Grant) {
	for i := range climbs {
		c := &climbs[i]
		for _, d := range ladderDiscounts(account, c.Steps) {
			cut := d
			if c.From != 0 {
				cut.From = max(d.From, c.From)
			}
			if c.To != 0 {
				cut.To = min(d.To, c.To)
			}
			if cut.From >= cut.To {
				continue
			}
			last := len(discounts) - 1
			if goesOn := cut.From != d.From && last >= 0 && discounts[last].To == cut.From; goesOn &&
				discounts[last].Percent == d.Percent && discounts[last].Step == d.Step {
				discounts[last].To = cut.To
			} else {
				discounts = append(discounts, cut)
			}
		}
		for _, g := range packagesOf(account, c.Steps) {
			again := slices.ContainsFunc(grants, func(o models.Grant) bool { return o.SMS == g.SMS && o.Ordinal == g.Ordinal })
			if c.holds(g.GrantedOn) && !again {
				grants = append(grants, g)
			}
		}
	}
	// The storage returns them so; in another order they would seem changed.
	slices.SortFunc(grants, func(a, b models.Grant) int {
		return cmp.Or(cmp.Compare(a.GrantedOn, b.GrantedOn), cmp.Compare(a.SMS, b.SMS), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	return discounts, grants
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

// packagesOf is the packages earned on the steps, counted by size, in their order.
func packagesOf(account int64, steps []LadderStep) []models.Grant {
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
	return earned
}
