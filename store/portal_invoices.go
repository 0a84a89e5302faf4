package store

import (
	"context"
	"slices"

	"referral/models"
)

// PortalInvoices is an account's facts with its invoices of the latest months before one,
// each with its lines and documents. months is how many months with invoices
// there shall be at most.
func (s *Store) PortalInvoices(ctx context.Context, account int64, before models.Period, months int) (models.AccountHistory, error) {
	return s.historyWith(ctx, account, func(list []models.AuditInvoice) []models.AuditInvoice {
		return latest(list, before, months)
	})
}

// PortalInvoice is an account's facts with one of its invoices. found is false when the
// account has no such invoice, even if another one has.
func (s *Store) PortalInvoice(ctx context.Context, account int64, invoice string) (c models.AccountHistory, found bool, err error) {
	c, err = s.historyWith(ctx, account, func(list []models.AuditInvoice) []models.AuditInvoice {
		return slices.DeleteFunc(list, func(inv models.AuditInvoice) bool { return inv.Invoice.ID != invoice })
	})
	return c, len(c.Invoices) > 0, err
}

// historyWith is an account's facts with the invoices that choose leaves of all of its
// own.
func (s *Store) historyWith(ctx context.Context, account int64, choose func([]models.AuditInvoice) []models.AuditInvoice) (c models.AccountHistory, err error) {
	err = s.snapshot(ctx, "reading an account's invoices", func(tx *tx) error {
		l := newHistoryLoader(tx, []int64{account}, 0)
		if err := l.loadFacts(ctx); err != nil {
			return err
		}
		l.list[0].Invoices = choose(l.list[0].Invoices)
		err := l.loadLedger(ctx)
		c = l.list[0]
		return err
	})
	return c, err
}

func latest(list []models.AuditInvoice, before models.Period, months int) []models.AuditInvoice {
	var periods []models.Period
	for i := range list {
		if p := list[i].Invoice.Period; p < before && !slices.Contains(periods, p) {
			periods = append(periods, p)
		}
	}
	slices.Sort(periods)
	periods = periods[max(0, len(periods)-months):]
	return slices.DeleteFunc(list, func(inv models.AuditInvoice) bool { return !slices.Contains(periods, inv.Invoice.Period) })
}
