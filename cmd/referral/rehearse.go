package main

import (
	"context"
	"fmt"
	"strings"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

// rehearse goes the way of [scheduler.Settler.Run], the period first and then the
// closed ones whose differences it carries, and posts nothing.
func (a *app) rehearse(ctx context.Context, p process, q models.RunRequest, format string) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	first, err := a.rehearseOne(ctx, p, q, format)
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
			run, err := a.rehearseOne(ctx, p, models.RunRequest{Period: closed, Accept: q.Accept}, format)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
	}
	return brakesInWords(runs)
}

func brakesInWords(runs []models.Run) error {
	var held []string
	for _, run := range runs {
		if run.Brake != "" {
			held = append(held, fmt.Sprintf("the brake would hold this run of %s: %s", run.Period, run.Brake))
		}
	}
	if len(held) > 0 {
		return errNo{strings.Join(held, "; ")}
	}
	return nil
}

// rehearseOne goes through the run of one period by the very same code.
func (a *app) rehearseOne(ctx context.Context, p process, q models.RunRequest, format string) (models.Run, error) {
	q.Chunk = a.config.Settle.ChunkAccounts
	var parked []models.ParkedAccount
	run, before, err := a.store.Rehearse(ctx, q, a.programme.Settle, func(o *models.SettlementResult) error {
		for _, what := range o.AllParked() {
			fmt.Fprintf(p.err, "would be parked: %s\n", report.Printable(what.String()))
			if len(parked) < parkedShown {
				parked = append(parked, what)
			}
		}
		if format == "json" {
			return report.OutcomeLines(p.out, o)
		}
		report.OutcomeText(p.out, o)
		return nil
	})
	if err != nil {
		return run, err
	}
	if !q.Accept {
		run.Brake = strings.Join(a.programme.LimitsFor(run).Check(run.Totals, before), "; ")
	}
	return run, printRun(p, run, parked, format)
}
