package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

// maxSimulated limits the months of one simulation.
const maxSimulated = 120

func newSimulate(p process) *cobra.Command {
	var terms, from, to string
	var format *string
	cmd := &cobra.Command{
		Use:   "simulate --terms FILE --from PERIOD --to PERIOD",
		Short: "What other terms would have cost, month by month; nothing is posted",
		Long: `Computes what clients were entitled to in each month under the terms of the
configuration and under those of another file. Decisions about codes stay as they are;
all else follows from the facts. Nothing is written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			months, err := monthsBetween(from, to)
			if err != nil {
				return misuse(cmd, "%w", err)
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
				other, err := a.config.LoadTerms(terms)
				if err != nil {
					return err
				}
				return a.simulate(ctx, other, months, *format)
			})
		},
	}
	cmd.Flags().StringVar(&terms, "terms", "", "`file` with the other terms: a programme section, or a whole configuration")
	cmd.Flags().StringVar(&from, "from", "", "the first `period`, for example 2026-01")
	cmd.Flags().StringVar(&to, "to", "", "the last `period`")
	for _, name := range []string{"terms", "from", "to"} {
		_ = cmd.MarkFlagRequired(name) // it fails for an unknown flag only
	}
	format = formatFlag(cmd, "table", "json")
	return cmd
}

// monthsBetween is the periods from the first to the last, both included.
func monthsBetween(from, to string) ([]models.Period, error) {
	first, err := parsePeriod(from)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	last, err := parsePeriod(to)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	if first > last {
		return nil, fmt.Errorf("--from %s is after --to %s", first, last)
	}
	var months []models.Period
	for p := first; p <= last; p = p.Next() {
		if months = append(months, p); len(months) > maxSimulated {
			return nil, fmt.Errorf("%s to %s is more than %d months", first, last, maxSimulated)
		}
	}
	return months, nil
}

func (a *app) simulate(ctx context.Context, other *billing.Programme, months []models.Period, format string) error {
	if err := a.noteOtherTerms(ctx); err != nil {
		return err
	}
	result := report.NewSimulation()
	for _, period := range months {
		s := billing.NewSimulation(a.programme, other, period)
		each, stop := a.countAccounts(ctx, period, s.Account)
		err := a.store.ForEachAccount(ctx, period, each)
		stop()
		if err != nil {
			return err
		}
		result.Add(period, s)
		a.noteFailed(period, s.Failed)
	}
	if format == "json" {
		return report.JSON(a.out, result)
	}
	report.SimulationTable(a.out, result)
	return nil
}

// noteFailed names accounts whose entitlements could not be calculated.
func (a *app) noteFailed(period models.Period, failed []models.ParkedAccount) {
	for _, f := range failed {
		fmt.Fprintf(a.err, "left out of %s: account %d: %s\n", period, f.AccountID, f.Error)
	}
}
