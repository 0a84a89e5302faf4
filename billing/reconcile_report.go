package billing

import (
	"time"

	"referral/models"
)

// keptBreaks is how many breaks a report keeps by name. All of them are counted.
const keptBreaks = 1000

// Report is the reconciliation as it is kept, once it is closed.
func (r *Reconciliation) Report(at time.Time) models.ReconciliationReport {
	report := models.ReconciliationReport{
		CheckedAt: at.UTC(), Accounts: r.Accounts, Invoices: r.Invoices, Documents: r.Documents, Packages: r.Packages, OnTheWay: r.OnTheWay,
		Overall: r.Overall(), Totals: r.Lines(), Wrong: r.BreakCount, Notices: r.NoticeCount,
	}
	for i := range r.Breaks[:min(len(r.Breaks), keptBreaks)] {
		b := &r.Breaks[i]
		report.Breaks = append(report.Breaks, models.KeptBreak{
			Kind: string(b.Kind), AccountID: b.AccountID, InvoiceID: b.InvoiceID, DocumentID: b.DocumentID,
			Expected: b.Expected, Actual: b.Actual, Detail: b.Detail,
		})
	}
	return report
}
