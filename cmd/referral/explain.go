package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
)

func newExplain(p process) *cobra.Command {
	return group("explain", "Why an account or an invoice has the discount that it has",
		explainCommand(p, "account", "Facts, decisions, ladder, discounts, packages and invoices of an account", (*app).explainAccount),
		explainCommand(p, "invoice", "The arithmetic of every line of an invoice, and every document posted on it", (*app).explainInvoice))
}

func explainCommand(p process, what, short string, explain func(a *app, ctx context.Context, id, format string) error) *cobra.Command {
	var format *string
	cmd := &cobra.Command{
		Use:   what + " ID",
		Short: short,
		Args:  oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
				if err := a.noteOtherTerms(ctx); err != nil {
					return err
				}
				return explain(a, ctx, args[0], *format)
			})
		},
	}
	format = formatFlag(cmd, "table", "json")
	return cmd
}

func (a *app) explainAccount(ctx context.Context, id, format string) error {
	account, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("explain account: %q is not an account id: it must be a whole number", id)
	}
	history, found, err := a.store.AccountHistory(ctx, account)
	if err != nil {
		return err
	}
	if !found {
		return negativeResult(fmt.Sprintf("account %d is not known: no fact about it has arrived", account))
	}
	e := a.programme.Explain(&history)
	if format == "json" {
		return report.JSON(a.out, e)
	}
	report.AccountText(a.out, &e)
	return nil
}

func (a *app) explainInvoice(ctx context.Context, id, format string) error {
	unknown := negativeResult(fmt.Sprintf("invoice %q is not known: it has not arrived, or is a dead letter (see `referral dead-letters list`)", id))
	account, found, err := a.store.InvoiceOwner(ctx, id)
	if err != nil {
		return err
	}
	if !found {
		return unknown
	}
	history, _, err := a.store.AccountHistory(ctx, account)
	if err != nil {
		return err
	}
	e, found := a.programme.ExplainInvoice(&history, id)
	if !found {
		return unknown
	}
	if format == "json" {
		return report.JSON(a.out, e)
	}
	report.InvoiceText(a.out, &e)
	return nil
}
