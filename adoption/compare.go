package adoption

import (
	"context"
	"maps"
	"slices"

	"referral/billing"
	"referral/billing/comparison"
	"referral/models"
)

// CompareStore is the methods of the storage that a comparison uses.
type CompareStore interface {
	ForEachAccount(ctx context.Context, period models.Period, see func(*models.AccountHistory) error) error
	ForTheseAccounts(ctx context.Context, period models.Period, accounts []int64, see func(*models.AccountHistory) error) error
	InvoiceOwners(ctx context.Context, invoices []string) (map[string]int64, error)
}

// Compare compares what an older system has given in a period with what the facts give.
// progress wraps what compares each account of the programme, and its function stop is called
// at the end; nil does not.
func Compare(ctx context.Context, store CompareStore, p *billing.Programme, period models.Period, booked *Booked,
	progress func(context.Context, models.Period, func(*models.AccountHistory)) (each func(*models.AccountHistory) error, stop func()),
) (*comparison.Result, error) {
	given := booked.Mark()
	c := comparison.New(p, period, given)
	each, stop := func(h *models.AccountHistory) error { c.Account(h); return nil }, func() {}
	if progress != nil {
		each, stop = progress(ctx, period, c.Account)
	}
	err := store.ForEachAccount(ctx, period, each)
	stop()
	if err != nil {
		return nil, err
	}
	// What is left concerns accounts that do not take part in the programme, and have nothing by
	// the rules, other months, or nothing that is known.
	err = given.EachRest(func(rest []Rest) error { return compareRest(ctx, store, c, rest) })
	return c.Close(), err
}

// compareRest compares what no account of the programme has answered for.
func compareRest(ctx context.Context, store CompareStore, c *comparison.Comparison, rest []Rest) error {
	var invoices []string
	for i := range rest {
		if rest[i].InvoiceID != "" {
			invoices = append(invoices, rest[i].InvoiceID)
		}
	}
	owners, err := store.InvoiceOwners(ctx, invoices)
	if err != nil {
		return err
	}
	byInvoice, byAccount := map[string]*Rest{}, map[int64]*Rest{}
	accounts := map[int64]bool{}
	for i := range rest {
		r := &rest[i]
		if r.InvoiceID == "" {
			byAccount[r.AccountID] = r
		} else {
			r.AccountID = owners[r.InvoiceID]
			byInvoice[r.InvoiceID] = r
		}
		if r.AccountID != 0 {
			accounts[r.AccountID] = true
		}
	}
	// An account that was compared already has answered for its invoices of the month.
	err = store.ForTheseAccounts(ctx, c.Period, slices.Collect(maps.Keys(accounts)), func(h *models.AccountHistory) error {
		r := byAccount[h.Account.ID]
		left := r != nil && !r.Asked()
		for _, inv := range c.Invoices(h) {
			r := byInvoice[inv.ID]
			left = left || r != nil && !r.Asked()
		}
		if left {
			c.Account(h)
		}
		return nil
	})
	for i := range rest {
		if r := &rest[i]; err == nil && !r.Asked() {
			c.NotCompared(r.AccountID, r.InvoiceID, r.Given)
		}
	}
	return err
}
