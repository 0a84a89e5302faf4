package billing

import (
	"slices"

	"referral/models"
)

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
