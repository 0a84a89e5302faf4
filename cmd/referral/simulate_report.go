package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"referral/billing"
	"referral/models"
)

// simulationReport is what other terms would have cost.
type simulationReport struct {
	Months []simulatedMonth     `json:"months"`
	Total  []simulatedDiscounts `json:"total"` // over all months, by currency
	Failed int64                `json:"accounts_left_out"`
}

// simulatedMonth is one month under both terms. Discounts are signed as added to
// invoices: negative.
type simulatedMonth struct {
	Period    models.Period        `json:"period"`
	Accounts  int64                `json:"accounts"` // looked at
	Affected  int64                `json:"accounts_affected"`
	Discounts []simulatedDiscounts `json:"discounts"` // by currency
	Packages  simulatedPackages    `json:"packages"`
	Failed    int64                `json:"accounts_left_out"` // what they are owed cannot be reckoned
}

type simulatedDiscounts struct {
	Currency        string       `json:"currency"`
	PresentMinor    models.Money `json:"present_minor"`
	OtherMinor      models.Money `json:"other_minor"`
	DifferenceMinor models.Money `json:"difference_minor"`
}

type simulatedPackages struct {
	Present    int64 `json:"present"`
	PresentSMS int64 `json:"present_sms"`
	Other      int64 `json:"other"`
	OtherSMS   int64 `json:"other_sms"`
}

func simulatedMonthOf(period models.Period, s *billing.Simulation) simulatedMonth {
	m := simulatedMonth{
		Period: period, Accounts: s.Accounts, Affected: s.Affected, Discounts: []simulatedDiscounts{}, Failed: s.FailedCount,
		Packages: simulatedPackages{s.Present.Packages, s.Present.SMS, s.Other.Packages, s.Other.SMS},
	}
	for _, currency := range s.Currencies() {
		m.Discounts = append(m.Discounts, simulatedDiscounts{Currency: currency}.plus(s.Present.Discounts[currency].Amount, s.Other.Discounts[currency].Amount))
	}
	return m
}

func (d simulatedDiscounts) plus(present, other models.Money) simulatedDiscounts {
	d.PresentMinor, d.OtherMinor = d.PresentMinor.Add(present), d.OtherMinor.Add(other)
	d.DifferenceMinor = d.OtherMinor.Add(-d.PresentMinor)
	return d
}

func (r *simulationReport) add(s *billing.Simulation) {
	r.Failed += s.FailedCount
	for _, currency := range s.Currencies() {
		i := slices.IndexFunc(r.Total, func(d simulatedDiscounts) bool { return d.Currency == currency })
		if i < 0 {
			i, r.Total = len(r.Total), append(r.Total, simulatedDiscounts{Currency: currency})
		}
		r.Total[i] = r.Total[i].plus(s.Present.Discounts[currency].Amount, s.Other.Discounts[currency].Amount)
	}
	slices.SortFunc(r.Total, func(a, b simulatedDiscounts) int { return cmp.Compare(a.Currency, b.Currency) })
}

func printSimulation(w io.Writer, r *simulationReport) {
	var rows [][]string
	for _, m := range r.Months {
		discounts := m.Discounts
		if len(discounts) == 0 {
			discounts = []simulatedDiscounts{{}}
		}
		for _, d := range discounts {
			rows = append(rows, append(d.cells(m.Period.String()), count(m.Affected), count(m.Packages.Present), count(m.Packages.Other)))
		}
	}
	for _, d := range r.Total {
		rows = append(rows, append(d.cells("total"), "", "", ""))
	}
	printTable(w, "Discounts and packages under both terms; nothing was posted",
		[]string{"period", "currency", "present terms", "other terms", "difference", "accounts affected", "packages now", "packages then"}, rows)
	if r.Failed > 0 {
		fmt.Fprintf(w, "%s could not be reckoned and count on neither side.\n", things(r.Failed, "account"))
	}
}

func (d simulatedDiscounts) cells(what string) []string {
	return []string{what, d.Currency, d.PresentMinor.String(), d.OtherMinor.String(), d.DifferenceMinor.String()}
}
