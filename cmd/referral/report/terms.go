package report

import (
	"fmt"
	"io"

	"referral/billing"
	"referral/models"
)

// TermsPreview is what other terms would change in one period.
type TermsPreview struct {
	Period models.Period
	Found  *billing.TermsPreview
}

// TermsTable writes what other terms would change, for people. There is at least
// one period; each has looked at all accounts.
func TermsTable(w io.Writer, previews []TermsPreview) {
	var rows [][]string
	for _, p := range previews {
		rows = append(rows, p.rows()...)
	}
	printTable(w, "What these terms would change", []string{"period", "currency", "posted", "by these terms", "runs would post", "accounts affected", "packages"}, rows)
	last := previews[len(previews)-1].Found
	fmt.Fprintf(w, "Accounts whose discounts or packages would differ: %s of %s.\n", Count(last.Changed), Count(last.Accounts))
}

func (p TermsPreview) rows() [][]string {
	var rows [][]string
	for _, currency := range p.Found.Currencies() {
		sum := p.Found.Discounts[currency]
		rows = append(rows, []string{
			p.Period.String(), currency, sum.Posted.String(), sum.Entitled.String(), sum.Entitled.Add(-sum.Posted).String(),
			Count(p.Found.Affected), Count(p.Found.Packages),
		})
	}
	if len(rows) == 0 {
		rows = [][]string{{p.Period.String(), "", "", "", "", Count(p.Found.Affected), Count(p.Found.Packages)}}
	}
	return rows
}
