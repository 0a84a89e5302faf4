package rebuild

import (
	"context"
	"fmt"

	"referral/archive"
	"referral/billing"
	"referral/models"
)

// Auditor is the methods of the storage that a reconciliation uses.
type Auditor interface {
	Audit(ctx context.Context, period models.Period, begin func(models.AuditHead) error, see func(*models.AccountHistory) error) error
}

// Ledger reconciles the ledger of a period with the rebuilt facts, and adds the breaks
// that the reconciliation with the live facts does not find, and documents that were
// altered or are missing, which both find.
func (r *Result) Ledger(ctx context.Context, live, rebuilt Auditor, programme *billing.Programme, period models.Period, grace billing.AnswerGrace) error {
	known := map[string]bool{}
	var beyond int64
	for _, schema := range []Auditor{live, rebuilt} {
		found, err := reconcile(ctx, schema, programme, period, grace)
		if err != nil {
			return err
		}
		for i := range found.Breaks {
			b := &found.Breaks[i]
			d := Difference{Kind: Ledger, AccountID: b.AccountID, Subject: subjectOf(period, b), Rebuilt: fmt.Sprintf("%s: %s", b.Kind, b.Detail)}
			key := fmt.Sprint(d)
			damaged := b.Kind == billing.BreakAltered || b.Kind == billing.BreakMissing
			if schema == rebuilt && (damaged || !known[key]) {
				r.addBreak(d)
			}
			known[key] = true
		}
		beyond = found.BreakCount - int64(len(found.Breaks)) - beyond
	}
	if beyond != 0 {
		r.Add(Difference{Kind: Ledger, Subject: period.String(), Rebuilt: fmt.Sprintf("%d more breaks than with the live facts, beyond those that are named", beyond)})
	}
	return nil
}

// addBreak adds a break. Of an account that depends on messages which the archive does
// not hold, it proves nothing.
func (r *Result) addBreak(d Difference) {
	switch r.incomplete[d.AccountID] {
	case archive.Later:
		return
	case archive.Removed:
		d.Kind = Unproven
	}
	r.Add(d)
}

func subjectOf(period models.Period, b *billing.Break) string {
	subject := period.String()
	if b.InvoiceID != "" {
		subject += " invoice " + b.InvoiceID
	}
	if b.DocumentID != (models.UUID{}) {
		subject += " document " + b.DocumentID.String()
	}
	return subject
}

func reconcile(ctx context.Context, a Auditor, programme *billing.Programme, period models.Period, grace billing.AnswerGrace) (r *billing.Reconciliation, err error) {
	err = a.Audit(ctx, period, func(h models.AuditHead) error {
		r = billing.NewReconciliation(programme, period, h, grace)
		return nil
	}, func(h *models.AccountHistory) error {
		r.Account(h)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Close()
	return r, nil
}
