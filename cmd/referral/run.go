package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/publisher"
	"referral/scheduler"
)

func newRun(p process) *cobra.Command {
	var q models.RunRequest
	var who operator
	var dry bool
	var format string
	cmd := &cobra.Command{
		Use:   "run PERIOD",
		Short: "Settle one period now: the month's run, or the differences since",
		Long: `Settles a period, for example 2026-04: the first time all its invoices and packages,
later what facts have changed since. What is posted is published by whatever
publisher runs; if none does, by this command before it ends.

With --format json each line of the answer is an object, and its "type" says what it
is: "run" is a run with its totals, the period's own first, then those of closed
periods that are posted to it. With --dry-run the lines are "document" and "package",
one for each that would be posted, and "totals" after those of each run, which has the
fields of a run.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if err := checkFormat(format, "table", "json"); err != nil {
				return err
			}
			if err := who.checkAccept(q.Accept); err != nil {
				return err
			}
			a, err := openChecked(cmd, p, dry)
			if err != nil {
				return err
			}
			defer a.close()
			q.Period, q.By, q.Reason = period, who.by, who.reason
			if dry {
				return a.rehearse(cmd.Context(), p, q, format)
			}
			return a.settleNow(cmd.Context(), p, q, format)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "post nothing, print what would be posted")
	cmd.Flags().BoolVar(&q.Accept, "accept", false, "pass the brake; recorded with --by and --reason")
	who.flags(cmd, nothingRequired)
	cmd.Flags().BoolVar(&q.Full, "full", false, "look at every account again, not only at those that facts have touched")
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
	return cmd
}

func checkFormat(given string, known ...string) error {
	for _, k := range known {
		if given == k {
			return nil
		}
	}
	return usageError("--format", fmt.Errorf("%q is not one of %s", given, strings.Join(known, ", ")))
}

func (a *app) settleNow(ctx context.Context, p process, q models.RunRequest, format string) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	settler, err := a.settler(slog.New(answeredRuns{Handler: a.log.Handler()}))
	if err != nil {
		return err
	}
	if today := a.programme.Local(a.now()); q.Period.First() <= today && today < q.Period.End() {
		a.log.Warn("the period has not ended: what is posted now will be corrected by later runs", "period", q.Period, "ends", q.Period.End())
	}
	done := a.showProgress(ctx, p, q.Period)
	runs, err := settler.Run(ctx, q)
	done()
	if errors.Is(err, scheduler.ErrNotOver) {
		return errNo{err.Error()}
	}
	runs = slices.DeleteFunc(runs, func(run models.Run) bool { return run.ID == 0 || run.Active() })
	if printed := a.printRuns(context.WithoutCancel(ctx), p, runs, format); err == nil {
		err = printed
	}
	if err == nil {
		err = a.publishRest(ctx)
	}
	no := outcomeOf(runs)
	if err != nil && no != nil {
		return fmt.Errorf("%w; and before that %s", err, no.Error())
	}
	return cmp.Or(err, no)
}

func (a *app) printRuns(ctx context.Context, p process, runs []models.Run, format string) error {
	for _, run := range runs {
		parked, err := a.store.ParkedAccounts(ctx, run.ID, parkedShown)
		if err != nil {
			return err
		}
		if err := printRun(p, run, parked, format); err != nil {
			return err
		}
	}
	return nil
}

// publishRest publishes when nobody else does.
func (a *app) publishRest(ctx context.Context) error {
	out, err := a.publisher()
	if err != nil {
		return err
	}
	// A broker that is away is asked first: draining would wait for it permanently.
	_, _, err = a.kafka().ensureTopics(ctx, a.config.Invitations.UsesTopic())
	if err == nil {
		err = out.Drain(ctx)
	}
	if err != nil && !errors.Is(err, publisher.ErrLedElsewhere) {
		return fmt.Errorf("everything is posted, but not all of it published (the next publisher will): %w", err)
	}
	return nil
}

func outcomeOf(runs []models.Run) error {
	var noes []string
	for _, run := range runs {
		switch run.State {
		case models.RunBraked:
			noes = append(noes, fmt.Sprintf("the brake holds %s, nothing is posted: %s; look into it, then `referral run %s --accept`", run.Period, run.Brake, run.Period))
		case models.RunIncomplete:
			noes = append(noes, fmt.Sprintf("the run of %s is incomplete: %d accounts or invoices are parked (see above) and will be tried again", run.Period, run.Totals.Parked))
		}
	}
	if len(noes) > 0 {
		return errNo{strings.Join(noes, "; ")}
	}
	return nil
}

// parkedShown is how many parked accounts an answer names.
const parkedShown = 1000

func printRun(p process, run models.Run, parked []models.ParkedAccount, format string) error {
	if format == "json" {
		return report.RunLine(p.out, run, parked)
	}
	report.RunTable(p.out, run, parked)
	return nil
}
