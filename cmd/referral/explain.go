package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
)

func newExplain(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Why an account or an invoice has the discount that it has",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			return usageError("explain", errors.New("say what: account ID or invoice ID"))
		},
	}
	cmd.AddCommand(
		explainCommand(p, "account", "Facts, decisions, ladder, discounts, packages and invoices of an account", (*app).explainAccount),
		explainCommand(p, "invoice", "The arithmetic of every line of an invoice, and every document posted on it", (*app).explainInvoice),
	)
	return cmd
}

// explainer explains what an id names.
type explainer func(a *app, ctx context.Context, p process, id, format string) error

func explainCommand(p process, what, short string, explain explainer) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   what + " ID",
		Short: short,
		Args:  oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format, "table", "json"); err != nil {
				return err
			}
			a, err := openReadOnly(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.noteOtherTerms(cmd.Context(), p); err != nil {
				return err
			}
			return explain(a, cmd.Context(), p, args[0], format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
	return cmd
}

func (a *app) explainAccount(ctx context.Context, p process, id, format string) error {
	account, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return usageError("explain account", fmt.Errorf("%q is no account id: it must be a whole number", id))
	}
	c, found, err := a.store.AccountHistory(ctx, account)
	if err != nil {
		return err
	}
	if !found {
		return errNo{fmt.Sprintf("nothing is known of account %d: no fact about it has arrived", account)}
	}
	e := a.programme.Explain(&c)
	if format == "json" {
		return report.JSON(p.out, e)
	}
	return report.AccountText(p.out, &e)
}

func (a *app) explainInvoice(ctx context.Context, p process, id, format string) error {
	account, found, err := a.store.InvoiceOwner(ctx, id)
	if err != nil {
		return err
	}
	unknown := errNo{fmt.Sprintf("invoice %q is not known: it has not arrived, or was set aside (see `referral dead-letters list`)", id)}
	if !found {
		return unknown
	}
	c, _, err := a.store.AccountHistory(ctx, account)
	if err != nil {
		return err
	}
	e, found := a.programme.ExplainInvoice(&c, id)
	if !found {
		return unknown
	}
	if format == "json" {
		return report.JSON(p.out, e)
	}
	return report.InvoiceText(p.out, &e)
}
