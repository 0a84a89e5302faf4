package suspicion

import (
	"referral/billing"
	"referral/billing/forecast"
	"referral/models"
)

// Side is what an account has of a finding.
type Side struct {
	Invited bool        // by one of its referrals
	From    models.Date // day of the first of its referrals that the account made; 0 when it made none
}

// Sides is what each account of a finding has of it.
func Sides(p *billing.Programme, f *models.Suspicion) map[int64]Side {
	sides := map[int64]Side{}
	for i := range f.Referrals {
		r := &f.Referrals[i]
		invitee := sides[r.InviteeID]
		invitee.Invited = true
		sides[r.InviteeID] = invitee
		inviter := sides[r.InviterID]
		if on := p.Local(r.ActivatedAt); inviter.From == 0 || on < inviter.From {
			inviter.From = on
		}
		sides[r.InviterID] = inviter
	}
	return sides
}

// Posted is the discounts in the ledger of an account that a finding concerns, by currency,
// signed as added to invoices: its discount as a new client, when one of the referrals brought
// it, and its discount as an inviter from the day of the first of them that it made. What
// it has for other clients since that day is part of that: a ladder cannot be divided
// between its clients.
func Posted(c *models.AccountHistory, s Side) map[string]models.Money {
	sums := map[string]models.Money{}
	for i := range c.Invoices {
		for _, line := range billing.PostedLines(&c.Invoices[i]) {
			days := 0
			for _, segment := range line.Segments {
				days += s.percentDays(segment)
			}
			if share := billing.Share(line.Amount, days, line.Segments); share != 0 {
				currency := c.Invoices[i].Invoice.Currency
				sums[currency] = sums[currency].Add(share)
			}
		}
	}
	return sums
}

// Ahead is what an account that a finding concerns is granted in the next twelve months,
// by the forecast, by currency and signed as added to invoices: its discount as a new client, and as an
// inviter, as in Posted.
func Ahead(p *billing.Programme, c *models.AccountHistory, s Side, today models.Date) map[string]models.Money {
	sums := map[string]models.Money{}
	for key, amount := range forecast.Of(p, c, today) {
		if key.Kind == models.Invitee && s.Invited || key.Kind == models.Inviter && s.From != 0 {
			sums[key.Currency] = sums[key.Currency].Add(amount)
		}
	}
	return sums
}

// percentDays is those of a segment that a finding concerns.
func (s Side) percentDays(segment models.Segment) (sum int) {
	_, invitee, inviter := billing.ByKind(segment)
	if s.Invited {
		sum = invitee * segment.Days()
	}
	if segment.From = max(segment.From, s.From); s.From != 0 && segment.From < segment.To {
		sum += inviter * segment.Days()
	}
	return sum
}
