package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

// maxSimulated bounds the months of one simulation.
const maxSimulated = 120

func newSimulate(p process) *cobra.Command {
	var terms, from, to, format string
	cmd := &cobra.Command{
		Use:   "simulate --terms FILE --from PERIOD --to PERIOD",
		Short: "What other terms would have cost, month by month; nothing is posted",
		Long: `Computes what clients were entitled to in each month under the terms of the
configuration and under those of another file. Decisions on codes that were given stay
as they are; all else follows from the facts by either terms. Nothing is written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(format, "table", "json"); err != nil {
				return err
			}
			months, err := monthsBetween(from, to)
			if err != nil {
				return usageError("simulate", err)
			}
			if terms == "" {
				return usageError("simulate", errors.New("which other terms? give --terms FILE"))
			}
			a, err := openReadOnly(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			other, err := a.config.LoadTerms(terms)
			if err != nil {
				return err
			}
			if err := a.noteOtherTerms(cmd.Context(), p); err != nil {
				return err
			}
			return a.simulate(cmd.Context(), p, other, months, format)
		},
	}
	cmd.Flags().StringVar(&terms, "terms", "", "`file` with the other terms: a programme section, or a whole configuration")
	cmd.Flags().StringVar(&from, "from", "", "the first `period`, for example 2026-01")
	cmd.Flags().StringVar(&to, "to", "", "the last `period`")
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
	return cmd
}

// monthsBetween is the periods from the first to the last, both included.
func monthsBetween(from, to string) ([]models.Period, error) {
	if from == "" || to == "" {
		return nil, errors.New("which months? give --from PERIOD and --to PERIOD, for example --from 2026-01 --to 2026-06")
	}
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

func (a *app) simulate(ctx context.Context, p process, other *billing.Programme, months []models.Period, format string) error {
	result := report.NewSimulation()
	for _, period := range months {
		s, err := a.simulated(ctx, p, other, period)
		if err != nil {
			return err
		}
		result.Add(period, s)
		for _, f := range s.Failed {
			fmt.Fprintf(p.err, "left out of %s: account %d: %s\n", period, f.AccountID, f.Error)
		}
	}
	if format == "json" {
		return report.JSON(p.out, result)
	}
	report.SimulationTable(p.out, result)
	return nil
}

func (a *app) simulated(ctx context.Context, p process, other *billing.Programme, period models.Period) (*billing.Simulation, error) {
	tick, done := a.auditProgress(ctx, p, period)
	defer done()
	s := billing.NewSimulation(a.programme, other, period)
	err := a.store.ForEachAccount(ctx, period, func(c *models.AccountHistory) error {
		tick()
		s.Account(c)
		return nil
	})
	return s, err
}
