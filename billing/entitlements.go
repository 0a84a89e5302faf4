package billing

import (
	"slices"
	"time"

	"referral/models"
)

// Entitlements is what the facts give one account: its discounts by day, and the
// packages it has earned. own is its accepted activation, nil when it has none;
// referrals are those that it invited, in any order; agreed is the discounts that an
// older system agreed with it, by day.
func (p *Programme) Entitlements(a *models.Account, own *models.Activation, referrals []models.Referral, agreed []models.Discount) models.Entitlements {
	discounts, grants := entitledByLadder(a.ID, p.Climbs(referrals))
	if d, ok := p.InviteeDiscount(a, own); ok {
		discounts = append([]models.Discount{d}, discounts...)
	}
	discounts = slices.Concat(agreed, discounts)
	return models.Entitlements{Discounts: p.untilTermination(a, discounts), Grants: grants}
}

// EntitlementsOf is what the facts give the account of a history.
func (p *Programme) EntitlementsOf(c *models.AccountHistory) models.Entitlements {
	return p.Entitlements(&c.Account, c.Accepted(), c.Referrals, c.Agreed)
}

// InviteeDiscount is the new client's own discount; it is not there while the
// end of the promo period is unknown, and ends when its referral is revoked. Source:
// docs/programme.md, "The invitee's discount".
func (p *Programme) InviteeDiscount(a *models.Account, own *models.Activation) (models.Discount, bool) {
	if own == nil || a.PromoEndedAt.IsZero() {
		return models.Discount{}, false
	}
	activated := p.Local(ActivatedAt(own.RequestedAt, a))
	terms := p.TermsOn(activated).Invitee
	from := max(p.Local(a.PromoEndedAt), activated)
	to := from.AddMonths(terms.Months)
	if own.RevokedFrom != 0 {
		to = min(to, own.RevokedFrom)
	}
	return models.Discount{AccountID: a.ID, Kind: models.Invitee, From: from, To: to, Percent: terms.Percent}, from < to
}

// AwaitsPromoEnd tells whether an account has been granted a discount whose first
// day is not known yet. One whose referral was revoked is promised nothing any more.
func AwaitsPromoEnd(a *models.Account, own *models.Activation) bool {
	return own != nil && own.RevokedFrom == 0 && a.PromoEndedAt.IsZero() && a.TerminatedAt.IsZero()
}

// Terminated tells whether an account has left by a day. The local day of its
// termination counts: it is the first without discounts.
func (p *Programme) Terminated(a *models.Account, by models.Date) bool {
	return !a.TerminatedAt.IsZero() && p.Local(a.TerminatedAt) <= by
}

// untilTermination ends an account's discounts on the local day it left.
func (p *Programme) untilTermination(a *models.Account, discounts []models.Discount) []models.Discount {
	if a.TerminatedAt.IsZero() {
		return discounts
	}
	left := p.Local(a.TerminatedAt)
	for i := range discounts {
		discounts[i].To = min(discounts[i].To, left)
	}
	return slices.DeleteFunc(discounts, func(d models.Discount) bool { return d.To <= d.From })
}

func earliest(known, heard time.Time) time.Time {
	if known.IsZero() || heard.Before(known) {
		return heard
	}
	return known
}

// packageCounts is an account's packages by size: how many the facts give, and the
// numbers of those in the ledger, of all periods.
type packageCounts struct {
	earned map[int]int
	posted map[int][]int
}

func countPackages(c *models.AccountHistory, entitlements models.Entitlements) packageCounts {
	counts := packageCounts{earned: map[int]int{}, posted: map[int][]int{}}
	for _, g := range entitlements.Grants {
		counts.earned[g.SMS]++
	}
	for i := range c.Packages {
		counts.post(c.Packages[i].SMS, c.Packages[i].Ordinal)
	}
	return counts
}

func (n packageCounts) post(sms, ordinal int) { n.posted[sms] = append(n.posted[sms], ordinal) }

// takeOwed tells whether a package is still owed, and then counts it as posted, so
// that it is not owed twice. As many of a size are owed as the facts give, whatever
// day an earlier one was counted on. Source: docs/programme.md, "Settlement: desired
// minus posted".
func (n packageCounts) takeOwed(g models.Grant) bool {
	posted := n.posted[g.SMS]
	if len(posted) >= n.earned[g.SMS] || slices.Contains(posted, g.Ordinal) {
		return false
	}
	n.post(g.SMS, g.Ordinal)
	return true
}

// duePackages is the packages to be posted for the period of a run.
func duePackages(run *models.Run, c *models.SettlementInput) []models.SMSPackage {
	if len(c.Grants) == 0 {
		return nil
	}
	counts := packageCounts{earned: c.Earned, posted: map[int][]int{}}
	for _, p := range c.Packages {
		counts.post(p.SMS, p.Ordinal)
	}
	var due []models.SMSPackage
	for _, g := range c.Grants {
		if counts.takeOwed(g) {
			due = append(due, models.SMSPackage{
				ID: PackageID(c.AccountID, g.SMS, g.Ordinal), AccountID: c.AccountID, SMS: g.SMS, Ordinal: g.Ordinal,
				GrantedOn: g.GrantedOn, Period: run.Period, PostingPeriod: run.PostingPeriod,
				InvoiceID: packageInvoice(c.Invoices), Step: g.Step,
			})
		}
	}
	return due
}

// packageInvoice is the invoice of the period that carries a package: the first by id
// that is not cancelled. Source: docs/rules.md, "Invoices and packages".
func packageInvoice(invoices []models.InvoiceInput) string {
	id := ""
	for i := range invoices {
		inv := &invoices[i].Invoice
		if len(inv.Lines) > 0 && (id == "" || inv.ID < id) {
			id = inv.ID
		}
	}
	return id
}
