package billing

import (
	"maps"
	"slices"

	"referral/models"
)

// TermsPreview is what terms would change in one period if they were put in
// force: whose discounts and packages would differ from those that are stored,
// and what the next runs would post.
type TermsPreview struct {
	programme *Programme
	period    models.Period

	Accounts  int64                   // looked at
	Changed   int64                   // of them, with other discounts or packages earned, in any period
	Affected  int64                   // of them, something would be posted in this period
	Discounts map[string]PreviewTotal // by currency
	Packages  int64                   // that would go out
	Failures
}

// PreviewTotal is what the ledger holds and what the terms give.
type PreviewTotal struct{ Posted, Entitled models.Money }

// NewTermsPreview begins the preview of a period.
func NewTermsPreview(p *Programme, period models.Period) *TermsPreview {
	return &TermsPreview{programme: p, period: period, Discounts: map[string]PreviewTotal{}}
}

// Account takes in one account. A panic in its arithmetic is counted and named.
func (t *TermsPreview) Account(c *models.AccountHistory) {
	t.Accounts++
	t.Attempt(c.Account.ID, func() { t.account(c) })
}

func (t *TermsPreview) account(c *models.AccountHistory) {
	entitlements := t.programme.EntitlementsOf(c)
	sums, differs := t.invoices(c, Timeline(entitlements.Discounts))
	packages := t.packages(c, entitlements)
	if !sameGrants(entitlements, c.Stored) {
		t.Changed++
	}
	if differs || packages > 0 {
		t.Affected++
	}
	t.Packages += packages
	for currency, sum := range sums {
		all := t.Discounts[currency]
		t.Discounts[currency] = PreviewTotal{all.Posted.Add(sum.Posted), all.Entitled.Add(sum.Entitled)}
	}
}

func (t *TermsPreview) invoices(c *models.AccountHistory, timeline []models.Segment) (sums map[string]PreviewTotal, differs bool) {
	sums = map[string]PreviewTotal{}
	for i := range c.Invoices {
		inv := &c.Invoices[i]
		if inv.Invoice.Period != t.period {
			continue
		}
		sum := sums[inv.Invoice.Currency]
		for _, l := range compareLines(t.programme.Desire(timeline, &inv.Invoice).Items, inv.Documents) {
			sum = PreviewTotal{sum.Posted.Add(l.posted), sum.Entitled.Add(l.desired)}
			differs = differs || l.posted != l.desired
		}
		sums[inv.Invoice.Currency] = sum
	}
	return sums, differs
}

// packages counts those of the period that are earned and have not gone out.
func (t *TermsPreview) packages(c *models.AccountHistory, entitlements models.Entitlements) (n int64) {
	counts := countPackages(c, entitlements)
	for _, g := range entitlements.Grants {
		if g.GrantedOn.Period() == t.period && counts.takeOwed(g) {
			n++
		}
	}
	return n
}

// Currencies is those of the discounts, in order.
func (t *TermsPreview) Currencies() []string { return slices.Sorted(maps.Keys(t.Discounts)) }
