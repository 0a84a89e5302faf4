// Package whatif compares what past months cost with what they would have cost under
// other terms. Decisions that were given stay, as in [billing.Simulation]; nothing is
// posted.
package whatif

import (
	"slices"

	"referral/billing"
	"referral/models"
)

// Pair is a sum under the present terms and under the others, signed as added to
// invoices.
type Pair struct {
	Present models.Money `json:"present_minor"`
	Other   models.Money `json:"other_minor"`
}

// Difference is what the others add.
func (p Pair) Difference() models.Money { return p.Other.Add(-p.Present) }

// Add is the sum of both.
func (p Pair) Add(q Pair) Pair { return Pair{p.Present.Add(q.Present), p.Other.Add(q.Other)} }

// Month is a month under both terms.
type Month struct {
	Period    models.Period `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Accounts  int64         `json:"accounts"` // looked at
	Affected  int64         `json:"affected"` // of them, owed something else by the other terms
	Discounts Pair          `json:"discounts"`
	Packages  [2]int64      `json:"packages"` // under the present terms and the others
}

// Step is the discounts of a kind and step under both terms, over all months.
type Step struct {
	Kind models.DiscountKind `json:"kind"`
	Step int                 `json:"step"` // of the ladder, of either terms; 0 of a new client's discount
	Pair `json:"discounts"`
}

// Band is the accounts that are charged alike in a month.
type Band struct {
	From     models.Money `json:"from_minor"`         // of the charges of a month, inclusive
	To       models.Money `json:"to_minor,omitempty"` // exclusive; 0 for no limit
	Invoiced int64        `json:"invoiced"`           // accounts in the band, counted once a month
	Affected int64        `json:"affected"`
	Pair     `json:"discounts"`
}

// bandLimits is where one band ends and the next begins, in kopecks.
var bandLimits = []models.Money{100_000, 300_000, 1_000_000, 3_000_000, 10_000_000}

// Comparison compares two versions of the terms.
type Comparison struct {
	Months []Month
	Bands  []Band
	steps  map[models.CostKey]Pair

	present, other *billing.Programme

	billing.Failures // of accounts, which count on neither side
}

// Found is a whole comparison, as it is kept.
type Found struct {
	Months []Month `json:"months"`
	Steps  []Step  `json:"steps"`
	Bands  []Band  `json:"bands"`
	Failed int64   `json:"failed"` // accounts that could not be calculated, which count on neither side
}

// Programme has other terms from the very beginning. The error says what is wrong with
// them.
func Programme(present *billing.Programme, terms billing.Terms) (*billing.Programme, error) {
	for i := range present.Versions {
		if from := present.Versions[i].EffectiveFrom; i == 0 || from < terms.EffectiveFrom {
			terms.EffectiveFrom = from
		}
	}
	return billing.NewProgramme(present.Zone, []billing.Terms{terms})
}

// New begins a comparison.
func New(present, other *billing.Programme) *Comparison {
	c := &Comparison{present: present, other: other, steps: map[models.CostKey]Pair{}}
	from := models.Money(0)
	for _, to := range bandLimits {
		c.Bands = append(c.Bands, Band{From: from, To: to})
		from = to
	}
	c.Bands = append(c.Bands, Band{From: from})
	return c
}

// Begin begins the next month.
func (c *Comparison) Begin(p models.Period) { c.Months = append(c.Months, Month{Period: p}) }

// Account takes in an account with its invoices of the month. A panic in its arithmetic
// is counted and named.
func (c *Comparison) Account(h *models.AccountHistory) {
	month := &c.Months[len(c.Months)-1]
	month.Accounts++
	c.Attempt(h.Account.ID, func() {
		invoiced, charged := charges(h, month.Period)
		present, other := costOf(c.present, h, month.Period), costOf(c.other, h, month.Period)
		affected := int64(0)
		if !present.equal(&other) {
			affected = 1
		}
		both := Pair{present.sum, other.sum}
		month.Affected += affected
		month.Discounts = month.Discounts.Add(both)
		month.Packages[0], month.Packages[1] = month.Packages[0]+present.packages, month.Packages[1]+other.packages
		for _, key := range slices.Concat(keysOf(present.steps), keysOf(other.steps)) {
			c.steps[key] = Pair{c.steps[key].Present.Add(present.steps[key]), c.steps[key].Other.Add(other.steps[key])}
			delete(present.steps, key)
			delete(other.steps, key)
		}
		if invoiced {
			band := c.band(charged)
			band.Invoiced, band.Affected, band.Pair = band.Invoiced+1, band.Affected+affected, band.Add(both)
		}
	})
}

func (c *Comparison) band(charged models.Money) *Band {
	for i := range c.Bands {
		if b := &c.Bands[i]; charged < b.To || b.To == 0 {
			return b
		}
	}
	return nil // the last band has no limit
}

// Found is what the comparison has come to.
func (c *Comparison) Found() *Found {
	return &Found{Months: c.Months, Steps: c.Steps(), Bands: c.Bands, Failed: c.FailedCount}
}

// Total is all months.
func (f *Found) Total() (sum Pair) {
	for i := range f.Months {
		sum = sum.Add(f.Months[i].Discounts)
	}
	return sum
}

// Steps is the discounts by kind and step.
func (c *Comparison) Steps() (list []Step) {
	for _, key := range slices.SortedFunc(slices.Values(keysOf(c.steps)), models.CostKey.Compare) {
		list = append(list, Step{key.Kind, key.Step, c.steps[key]})
	}
	return list
}

func keysOf[V any](m map[models.CostKey]V) (keys []models.CostKey) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// charges is what an account is charged for a month, of all services.
func charges(h *models.AccountHistory, p models.Period) (invoiced bool, sum models.Money) {
	for i := range h.Invoices {
		if inv := &h.Invoices[i].Invoice; inv.Period == p {
			invoiced = invoiced || len(inv.Lines) > 0
			for j := range inv.Lines {
				sum = sum.Add(inv.Lines[j].Amount)
			}
		}
	}
	return invoiced, sum
}

// cost is what terms give an account in a month.
type cost struct {
	sum      models.Money
	steps    map[models.CostKey]models.Money // the month left out
	packages int64
	grants   []models.Grant
}

func (a *cost) equal(b *cost) bool { return a.sum == b.sum && slices.Equal(a.grants, b.grants) }

func costOf(p *billing.Programme, h *models.AccountHistory, month models.Period) cost {
	c := cost{steps: map[models.CostKey]models.Money{}}
	entitlements := p.EntitlementsOf(h)
	for _, g := range entitlements.Grants {
		if g.GrantedOn.Period() == month {
			c.packages++
			c.grants = append(c.grants, models.Grant{SMS: g.SMS, GrantedOn: g.GrantedOn})
		}
	}
	timeline := billing.Timeline(entitlements.Discounts)
	for i := range h.Invoices {
		inv := &h.Invoices[i].Invoice
		if inv.Period != month {
			continue
		}
		for _, item := range p.Desire(timeline, inv).Items {
			c.sum = c.sum.Add(item.Amount)
			for key, amount := range billing.ByStep(0, entitlements.Discounts, billing.PostedLine{Amount: item.Amount, Segments: item.Segments}) {
				c.steps[key] = c.steps[key].Add(amount)
			}
		}
	}
	return c
}
