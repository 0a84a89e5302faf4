package main

import (
	"context"
	"fmt"
	"strings"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

// dryRun computes what [scheduler.Settler.Run] would post, for the period first and then
// for the closed ones whose differences it carries, and posts nothing.
func (a *app) dryRun(ctx context.Context, q models.RunRequest, format string) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	first, err := a.dryRunOne(ctx, q, format)
	if err != nil {
		return err
	}
	runs := []models.Run{first}
	if first.Brake == "" {
		periods, err := a.store.Periods(ctx)
		if err != nil {
			return err
		}
		for _, closed := range billing.PeriodsPostedTo(periods, q.Period) {
			run, err := a.dryRunOne(ctx, models.RunRequest{Period: closed, Accept: q.Accept}, format)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
	}
	return brakeResult(runs)
}

func brakeResult(runs []models.Run) error {
	var held []string
	for _, run := range runs {
		if run.Brake != "" {
			held = append(held, fmt.Sprintf("the brake would hold this run of %s: %s", run.Period, run.Brake))
		}
	}
	if len(held) > 0 {
		return negativeResult(strings.Join(held, "; "))
	}
	return nil
}

func (a *app) dryRunOne(ctx context.Context, q models.RunRequest, format string) (models.Run, error) {
	q.Chunk = a.config.Settle.ChunkAccounts
	var parked []models.ParkedAccount
	run, before, err := a.store.Rehearse(ctx, q, a.programme.Settle, func(result *models.SettlementResult) error {
		for _, account := range result.AllParked() {
			fmt.Fprintf(a.err, "would be parked: %s\n", report.Printable(account.String()))
			if len(parked) < maxParkedShown {
				parked = append(parked, account)
			}
		}
		if format == "json" {
			return report.SettlementLines(a.out, result)
		}
		report.SettlementText(a.out, result)
		return nil
	}, nil)
	if err != nil {
		return run, err
	}
	if !q.Accept {
		run.Brake = strings.Join(a.programme.Brake(run, before), "; ")
	}
	return run, a.printRun(run, parked, format)
}
