package reference

import (
	"fmt"
	"math/big"
)

// Run settles a period like "2026-03" by what is known now.
func (m *Model) Run(period string) error {
	if err := m.settleInvoices(period); err != nil {
		return err
	}
	for _, a := range m.accounts {
		m.sendPackages(period, m.benefits(a))
	}
	return nil
}

func (m *Model) settleInvoices(period string) error {
	lives := map[int64]benefits{}
	for _, inv := range m.invoices {
		if inv.Period != period {
			continue
		}
		if _, known := lives[inv.AccountID]; !known {
			lives[inv.AccountID] = m.benefits(m.account(inv.AccountID))
		}
		if err := m.settle(inv, lives[inv.AccountID]); err != nil {
			return fmt.Errorf("invoice %s: %w", inv.ID, err)
		}
	}
	return nil
}

func (m *Model) settle(inv *invoice, l benefits) error {
	for posted := range m.ledger {
		if posted.InvoiceID == inv.ID {
			delete(m.ledger, posted)
		}
	}
	for _, line := range inv.Lines {
		if !m.isDiscounted(line.Service) {
			continue
		}
		discount, err := l.discountOn(line)
		if err != nil {
			return fmt.Errorf("line %s: %w", line.ID, err)
		}
		if discount != 0 {
			at := Line{inv.ID, line.ID}
			m.name(at)
			m.ledger[at] = -discount
		}
	}
	return nil
}

// name notes that the ledger names a line.
func (m *Model) name(at Line) {
	if first, known := m.named[at.InvoiceID]; !known || at.LineID < first {
		m.named[at.InvoiceID] = at.LineID
	}
}

// isDiscounted goes by the terms and, where they do not name a service, by staff.
func (m *Model) isDiscounted(service string) bool {
	switch service {
	case "subscription", "numbers", "calls", "recording":
		return true
	case "sms_package":
		return false
	}
	return m.discounted[service]
}

func (l benefits) discountOn(line line) (int64, error) {
	from, err := parseDay(line.From)
	if err != nil {
		return 0, err
	}
	to, err := parseDay(line.To)
	if err != nil {
		return 0, err
	}
	if !to.After(from) {
		to = dayAfter(from)
	}
	days, percents := int64(0), int64(0)
	for d := from; d.Before(to); d = dayAfter(d) {
		days++
		percents += int64(l.percent[d])
	}
	return rounded(line.Amount, percents, 100*days), nil
}

// rounded is amount × part / whole, half away from zero.
func rounded(amount, part, whole int64) int64 {
	twice := new(big.Int).Mul(big.NewInt(amount), big.NewInt(2*part))
	if amount < 0 {
		twice.Sub(twice, big.NewInt(whole))
	} else {
		twice.Add(twice, big.NewInt(whole))
	}
	return twice.Quo(twice, big.NewInt(2*whole)).Int64() // Quo cuts towards zero
}

// sendPackages sends the packages of the period that have not gone out, as long as
// fewer of the size went out than were earned.
func (m *Model) sendPackages(period string, l benefits) {
	for _, e := range l.earned {
		if monthOf(e.on) == period && !m.sent[e.numberedPackage] && m.countSent(e.Package) < l.countEarned(e.Package) {
			m.sent[e.numberedPackage] = true
		}
	}
}

func (m *Model) countSent(p Package) int {
	n := 0
	for ordinal := 1; ordinal <= horizonMonths; ordinal++ {
		if m.sent[numberedPackage{p, ordinal}] {
			n++
		}
	}
	return n
}

func (l benefits) countEarned(p Package) int {
	n := 0
	for _, e := range l.earned {
		if e.Package == p {
			n++
		}
	}
	return n
}

// Lines is the sum of the ledger on each line where it is not zero, as added
// to the invoice, in minor units.
func (m *Model) Lines() map[Line]int64 { return m.ledger }

// Packages is how many packages of each size went out to whom.
func (m *Model) Packages() map[Package]int {
	count := map[Package]int{}
	for p := range m.sent {
		count[p.Package]++
	}
	return count
}
