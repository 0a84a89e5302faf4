package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"referral/adoption"
	"referral/billing/comparison"
	"referral/cmd/referral/report"
	"referral/models"
)

func newCompare(p process) *cobra.Command {
	var given bookedFlags
	cmd := &cobra.Command{
		Use:   "compare PERIOD --file FILE",
		Short: "Compare what an older system has given in a month with what the facts give here",
		Long: `Holds what an older system has given, by invoice or by account, against what the facts and
the terms give here: totals, and every difference with what would explain it, grouped by
cause. FILE is CSV with a column invoice or account, and amount in roubles or amount_minor in
kopecks. Nothing is written. The exit status is 1 when something differs.`,
		Args: oneArgument,
	}
	format := formatFlag(cmd, "table", "json", "csv")
	given.add(cmd, "file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		period, err := parsePeriod(args[0])
		if err != nil {
			return err
		}
		if given.file == "" {
			return misuse(cmd, "give --file FILE: what the older system has given")
		}
		return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
			booked, err := a.readBooked(given)
			if err != nil {
				return err
			}
			result, err := a.compare(ctx, period, booked.Mark())
			if err != nil {
				return err
			}
			switch *format {
			case "json":
				err = report.JSON(a.out, result)
			case "csv":
				err = report.ComparisonCSV(a.out, result)
			default:
				report.ComparisonTable(a.out, result, booked.AsAdded)
			}
			if err == nil && result.Different > 0 {
				err = negativeResult(fmt.Sprintf("%s of %s", report.Quantity(result.Different, "difference"), period))
			}
			return err
		})
	}
	return cmd
}

func (a *app) compare(ctx context.Context, period models.Period, booked *adoption.Marked) (*comparison.Result, error) {
	c := comparison.New(a.programme, period, booked)
	each, stop := a.countAccounts(ctx, period, c.Account)
	err := a.store.ForEachAccount(ctx, period, each)
	stop()
	if err != nil {
		return nil, err
	}
	// What is left concerns accounts that do not take part in the programme, other months, or
	// nothing that is known.
	err = booked.EachRest(func(rest []adoption.Rest) error { return a.compareRest(ctx, c, rest) })
	return c.Close(), err
}

// compareRest compares what no account of the programme has answered for.
func (a *app) compareRest(ctx context.Context, c *comparison.Comparison, rest []adoption.Rest) error {
	var invoices []string
	for i := range rest {
		if rest[i].InvoiceID != "" {
			invoices = append(invoices, rest[i].InvoiceID)
		}
	}
	owners, err := a.store.InvoiceOwners(ctx, invoices)
	if err != nil {
		return err
	}
	byInvoice, byAccount := map[string]*adoption.Rest{}, map[int64]*adoption.Rest{}
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
	err = a.store.ForTheseAccounts(ctx, c.Period, slices.Collect(maps.Keys(accounts)), func(h *models.AccountHistory) error {
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
