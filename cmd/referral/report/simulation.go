package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"referral/billing"
	"referral/models"
)

// Simulation is what other terms would have cost.
type Simulation struct {
	Months []SimulatedMonth     `json:"months"`
	Total  []SimulatedDiscounts `json:"total"` // over all months, by currency
	Failed int64                `json:"accounts_left_out"`
}

// SimulatedMonth is one month under both terms. Discounts are signed as added to
// invoices: negative.
type SimulatedMonth struct {
	Period    models.Period        `json:"period"`
	Accounts  int64                `json:"accounts"` // looked at
	Affected  int64                `json:"accounts_affected"`
	Discounts []SimulatedDiscounts `json:"discounts"` // by currency
	Packages  SimulatedPackages    `json:"packages"`
	Failed    int64                `json:"accounts_left_out"` // what they are owed cannot be calculated
}

// SimulatedDiscounts is the discounts of one currency.
type SimulatedDiscounts struct {
	Currency        string       `json:"currency"`
	PresentMinor    models.Money `json:"present_minor"`
	OtherMinor      models.Money `json:"other_minor"`
	DifferenceMinor models.Money `json:"difference_minor"`
}

// SimulatedPackages is the SMS packages and the SMS in them.
type SimulatedPackages struct {
	Present    int64 `json:"present"`
	PresentSMS int64 `json:"present_sms"`
	Other      int64 `json:"other"`
	OtherSMS   int64 `json:"other_sms"`
}

func simulatedMonthOf(period models.Period, s *billing.Simulation) SimulatedMonth {
	m := SimulatedMonth{
		Period: period, Accounts: s.Accounts, Affected: s.Affected, Discounts: []SimulatedDiscounts{}, Failed: s.FailedCount,
		Packages: SimulatedPackages{s.Present.Packages, s.Present.SMS, s.Other.Packages, s.Other.SMS},
	}
	for _, currency := range s.Currencies() {
		m.Discounts = append(m.Discounts, SimulatedDiscounts{Currency: currency}.plus(s.Present.Discounts[currency].Amount, s.Other.Discounts[currency].Amount))
	}
	return m
}

func (d SimulatedDiscounts) plus(present, other models.Money) SimulatedDiscounts {
	d.PresentMinor, d.OtherMinor = d.PresentMinor.Add(present), d.OtherMinor.Add(other)
	d.DifferenceMinor = d.OtherMinor.Add(-d.PresentMinor)
	return d
}

// NewSimulation is that of no month yet.
func NewSimulation() *Simulation {
	return &Simulation{Months: []SimulatedMonth{}, Total: []SimulatedDiscounts{}}
}

// Add adds a month.
func (r *Simulation) Add(period models.Period, s *billing.Simulation) {
	r.Months = append(r.Months, simulatedMonthOf(period, s))
	r.Failed += s.FailedCount
	for _, currency := range s.Currencies() {
		i := slices.IndexFunc(r.Total, func(d SimulatedDiscounts) bool { return d.Currency == currency })
		if i < 0 {
			i, r.Total = len(r.Total), append(r.Total, SimulatedDiscounts{Currency: currency})
		}
		r.Total[i] = r.Total[i].plus(s.Present.Discounts[currency].Amount, s.Other.Discounts[currency].Amount)
	}
	slices.SortFunc(r.Total, func(a, b SimulatedDiscounts) int { return cmp.Compare(a.Currency, b.Currency) })
}

// SimulationTable writes a simulation for people.
func SimulationTable(w io.Writer, r *Simulation) {
	var rows [][]string
	for _, m := range r.Months {
		discounts := m.Discounts
		if len(discounts) == 0 {
			discounts = []SimulatedDiscounts{{}}
		}
		for _, d := range discounts {
			rows = append(rows, append(d.cells(m.Period.String()), Count(m.Affected), Count(m.Packages.Present), Count(m.Packages.Other)))
		}
	}
	for _, d := range r.Total {
		rows = append(rows, append(d.cells("total"), "", "", ""))
	}
	printTable(w, "Discounts and packages under both terms; nothing was posted",
		[]string{"period", "currency", "present terms", "other terms", "difference", "accounts affected", "packages now", "packages then"}, rows)
	if r.Failed > 0 {
		fmt.Fprintf(w, "%s could not be calculated and count on neither side.\n", Quantity(r.Failed, "account"))
	}
}

func (d SimulatedDiscounts) cells(what string) []string {
	return []string{what, d.Currency, d.PresentMinor.String(), d.OtherMinor.String(), d.DifferenceMinor.String()}
}
