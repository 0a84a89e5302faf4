package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"referral/adoption"
	"referral/cmd/referral/report"
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
			result, err := adoption.Compare(ctx, a.store, a.programme, period, booked, a.countAccounts)
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
