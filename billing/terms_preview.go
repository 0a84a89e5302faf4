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

// ServicePreview is what a decision on a service changes on the invoices of accounts.
type ServicePreview struct {
	programme *Programme
	Decision  models.ServiceDecision
	Undone    models.ServiceDecision            // that it undoes, known after Begin; zero for none
	after     map[string]models.ServiceDecision // in force with the decision; nil before the first invoice

	Lines int64 // of the service, on the invoices
	all   models.Preview
	Failures
}

// PreviewService is the preview of a decision that [Programme.CheckService] allows: its
// Begin asks that, and completes the decision.
func (p *Programme) PreviewService(d models.ServiceDecision) *ServicePreview {
	return &ServicePreview{programme: p, Decision: d}
}

// Begin checks the decision by all decisions on services; the error is a Refusal.
func (s *ServicePreview) Begin(all []models.ServiceDecision) (decided models.ServiceDecision, err error) {
	if s.Decision, err = s.programme.CheckService(all, s.Decision); err == nil {
		s.Undone = models.ServicesInForce(all)[s.Decision.Service]
	}
	return s.Decision, err
}

// Account takes in one account, by what is in force before the decision. A panic in its
// arithmetic is counted and named.
func (s *ServicePreview) Account(c *models.AccountHistory) {
	s.Attempt(c.Account.ID, func() { s.account(c) })
}

func (s *ServicePreview) account(c *models.AccountHistory) {
	timeline := Timeline(s.programme.EntitlementsOf(c).Discounts)
	changed := map[string]bool{}
	for i := range c.Invoices {
		inv := c.Invoices[i].Invoice
		lines := 0
		for j := range inv.Lines {
			if inv.Lines[j].Service == s.Decision.Service {
				lines++
			}
		}
		if lines == 0 {
			continue
		}
		s.Lines += int64(lines)
		was := s.programme.desiredOn(timeline, &inv)
		inv.Services = s.with(inv.Services)
		change := s.programme.desiredOn(timeline, &inv).Add(-was)
		if change == 0 {
			continue
		}
		s.add(models.PreviewChange{AccountID: c.Account.ID, InvoiceID: inv.ID, Period: inv.Period, Currency: inv.Currency, Amount: change}, !changed[inv.Currency])
		changed[inv.Currency] = true
	}
}

// with is what is in force with the decision.
func (s *ServicePreview) with(before map[string]models.ServiceDecision) map[string]models.ServiceDecision {
	if s.after == nil {
		s.after = map[string]models.ServiceDecision{}
		maps.Copy(s.after, before)
		delete(s.after, s.Decision.Service)
		if s.Decision.Class != "" {
			s.after[s.Decision.Service] = s.Decision
		}
	}
	return s.after
}

func (s *ServicePreview) add(change models.PreviewChange, isFirst bool) {
	if len(s.all.Changes) < models.MaxPreview {
		s.all.Changes = append(s.all.Changes, change)
	} else {
		s.all.More++
	}
	at := slices.IndexFunc(s.all.Totals, func(t models.PreviewTotal) bool { return t.Currency == change.Currency })
	if at < 0 {
		at, s.all.Totals = len(s.all.Totals), append(s.all.Totals, models.PreviewTotal{Currency: change.Currency})
	}
	t := &s.all.Totals[at]
	t.Amount = t.Amount.Add(change.Amount)
	if isFirst {
		t.Accounts++
	}
}

// Preview is what a proposal of the decision keeps.
func (s *ServicePreview) Preview() models.Preview { return s.all }
