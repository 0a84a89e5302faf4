// Package whatif compares what past months cost with what they would have cost under
// other terms. Decisions that were given stay, as in [billing.Simulation]; nothing is
// posted.
package whatif

import (
	"cmp"
	"maps"
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
	Accounts  int64         `json:"accounts"`                   // looked at
	Affected  int64         `json:"affected"`                   // of them, owed something else by the other terms
	Discounts []DiscountSum `json:"discounts" nullable:"false"` // by currency
	Packages  [2]int64      `json:"packages"`                   // under the present terms and the others
}

// DiscountSum is the discounts in a currency under both terms.
type DiscountSum struct {
	Currency string `json:"currency"`
	Pair
}

// addTo adds discounts in a currency to sums by currency.
func addTo(sums []DiscountSum, currency string, p Pair) []DiscountSum {
	at, known := slices.BinarySearchFunc(sums, currency, func(s DiscountSum, c string) int { return cmp.Compare(s.Currency, c) })
	if !known {
		sums = slices.Insert(sums, at, DiscountSum{Currency: currency})
	}
	sums[at].Pair = sums[at].Add(p)
	return sums
}

// Step is the discounts of a kind and step under both terms, over all months.
type Step struct {
	Currency string              `json:"currency"`
	Kind     models.DiscountKind `json:"kind"`
	Step     int                 `json:"step"` // of the ladder, of either terms; 0 of a new client's discount
	Pair     `json:"discounts"`
}

// Band is the accounts that are charged alike in a month, in one currency.
type Band struct {
	Currency string       `json:"currency"`
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
	bands  map[string][]Band // by currency
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
	return &Comparison{present: present, other: other, bands: map[string][]Band{}, steps: map[models.CostKey]Pair{}}
}

func newBands(currency string) (bands []Band) {
	from := models.Money(0)
	for _, to := range bandLimits {
		bands = append(bands, Band{Currency: currency, From: from, To: to})
		from = to
	}
	return append(bands, Band{Currency: currency, From: from})
}

// Begin begins the next month.
func (c *Comparison) Begin(p models.Period) {
	c.Months = append(c.Months, Month{Period: p, Discounts: []DiscountSum{}})
}

// Account takes in an account with its invoices of the month. A panic in its arithmetic
// is counted and named.
func (c *Comparison) Account(h *models.AccountHistory) {
	month := &c.Months[len(c.Months)-1]
	month.Accounts++
	c.Attempt(h.Account.ID, func() {
		charged := charges(h, month.Period)
		present, other := costOf(c.present, h, month.Period), costOf(c.other, h, month.Period)
		packages := !slices.Equal(present.grants, other.grants)
		if packages || !maps.Equal(present.sums, other.sums) {
			month.Affected++
		}
		for currency, sum := range charged {
			both := Pair{present.sums[currency], other.sums[currency]}
			if both != (Pair{}) {
				month.Discounts = addTo(month.Discounts, currency, both)
			}
			band := c.band(currency, sum)
			if band.Invoiced, band.Pair = band.Invoiced+1, band.Add(both); packages || both.Present != both.Other {
				band.Affected++
			}
		}
		month.Packages[0], month.Packages[1] = month.Packages[0]+present.packages, month.Packages[1]+other.packages
		for _, key := range slices.Concat(keysOf(present.steps), keysOf(other.steps)) {
			c.steps[key] = Pair{c.steps[key].Present.Add(present.steps[key]), c.steps[key].Other.Add(other.steps[key])}
			delete(present.steps, key)
			delete(other.steps, key)
		}
	})
}

func (c *Comparison) band(currency string, charged models.Money) *Band {
	if c.bands[currency] == nil {
		c.bands[currency] = newBands(currency)
	}
	for i := range c.bands[currency] {
		if b := &c.bands[currency][i]; charged < b.To || b.To == 0 {
			return b
		}
	}
	return nil // the last band has no limit
}

// Found is what the comparison has come to.
func (c *Comparison) Found() *Found {
	return &Found{Months: c.Months, Steps: c.Steps(), Bands: c.Bands(), Failed: c.FailedCount}
}

// Total is all months, by currency.
func (f *Found) Total() (sums []DiscountSum) {
	for i := range f.Months {
		for _, s := range f.Months[i].Discounts {
			sums = addTo(sums, s.Currency, s.Pair)
		}
	}
	return sums
}

// Bands is the accounts by what they are charged for a month, by currency.
func (c *Comparison) Bands() (list []Band) {
	for _, currency := range slices.Sorted(maps.Keys(c.bands)) {
		list = append(list, c.bands[currency]...)
	}
	return list
}

// Steps is the discounts by currency, kind and step.
func (c *Comparison) Steps() (list []Step) {
	for _, key := range slices.SortedFunc(slices.Values(keysOf(c.steps)), models.CostKey.Compare) {
		list = append(list, Step{key.Currency, key.Kind, key.Step, c.steps[key]})
	}
	return list
}

func keysOf[V any](m map[models.CostKey]V) (keys []models.CostKey) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// charges is what an account is charged for a month, of all services, by currency.
func charges(h *models.AccountHistory, p models.Period) map[string]models.Money {
	sums := map[string]models.Money{}
	for i := range h.Invoices {
		if inv := &h.Invoices[i].Invoice; inv.Period == p {
			for j := range inv.Lines {
				sums[inv.Currency] = sums[inv.Currency].Add(inv.Lines[j].Amount)
			}
		}
	}
	return sums
}

// cost is what terms give an account in a month.
type cost struct {
	sums     map[string]models.Money         // by currency; none is zero
	steps    map[models.CostKey]models.Money // the month left out
	packages int64
	grants   []models.Grant
}

func costOf(p *billing.Programme, h *models.AccountHistory, month models.Period) cost {
	c := cost{sums: map[string]models.Money{}, steps: map[models.CostKey]models.Money{}}
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
			c.sums[inv.Currency] = c.sums[inv.Currency].Add(item.Amount)
			for key, amount := range billing.ByStep(0, entitlements.Discounts, billing.PostedLine{Amount: item.Amount, Segments: item.Segments}) {
				key.Currency = inv.Currency
				c.steps[key] = c.steps[key].Add(amount)
			}
		}
	}
	maps.DeleteFunc(c.sums, func(_ string, sum models.Money) bool { return sum == 0 })
	return c
}
