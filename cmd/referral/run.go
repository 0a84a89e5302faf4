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
	var operator operatorFlags
	var dry bool
	var format *string
	cmd := &cobra.Command{
		Use:   "run PERIOD",
		Short: "Settle one period now: the month's run, or the differences since",
		Long: `Settles a period, for example 2026-04: the first time all its invoices and packages,
later what facts have changed since. What is posted is published by the publisher of
the service; if none runs, by this command before it ends.

With --format json each line of the output is an object, and its "type" says what it
is: "run" is a run with its totals, the period's own first, then those of closed
periods that are posted to it. With --dry-run the lines are "document" and "package",
one for each that would be posted, and "totals" after those of each run, which has the
fields of a run.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := parsePeriod(args[0])
			if err != nil {
				return err
			}
			q.Period, q.By, q.Reason = period, operator.by, operator.reason
			return onDatabase(cmd, p, dry, func(ctx context.Context, a *app) error {
				if dry {
					return a.dryRun(ctx, q, *format)
				}
				return a.runNow(ctx, q, *format)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "post nothing, print what would be posted")
	cmd.Flags().BoolVar(&q.Accept, "accept", false, "pass the brake; recorded with --by and --reason")
	cmd.Flags().BoolVar(&q.Full, "full", false, "settle every account again, not only those that facts have changed")
	format = formatFlag(cmd, "table", "json")
	operator.add(cmd, nothingRequired)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !q.Accept && operator.by+operator.reason != "" {
			return misuse(cmd, "--by and --reason go with --accept only")
		}
		return operator.check(cmd, nothingRequired)
	}
	return cmd
}

func (a *app) runNow(ctx context.Context, q models.RunRequest, format string) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	settler, err := a.settler(slog.New(withoutRunErrors{Handler: a.log.Handler()}))
	if err != nil {
		return err
	}
	if today := a.programme.Local(a.now()); q.Period.First() <= today && today < q.Period.End() {
		a.log.WarnContext(ctx, "the period has not ended: later runs will correct what is posted now", "period", q.Period, "ends", q.Period.End())
	}
	stop := a.showRunProgress(ctx, q.Period)
	runs, err := settler.Run(ctx, q)
	stop()
	if other := (*models.ErrOtherMode)(nil); errors.Is(err, scheduler.ErrNotOver) || errors.As(err, &other) {
		return negativeResult(err.Error())
	}
	runs = slices.DeleteFunc(runs, func(run models.Run) bool { return run.ID == 0 || run.Active() })
	err = cmp.Or(err, a.printRuns(context.WithoutCancel(ctx), runs, format))
	if err == nil {
		err = a.publishPosted(ctx)
	}
	result := resultOf(runs)
	if err != nil && result != nil {
		return fmt.Errorf("%w; and before that %s", err, result.Error())
	}
	return cmp.Or(err, result)
}

func (a *app) printRuns(ctx context.Context, runs []models.Run, format string) error {
	for _, run := range runs {
		parked, err := a.store.ParkedAccounts(ctx, run.ID, maxParkedShown)
		if err != nil {
			return err
		}
		if err := a.printRun(run, parked, format); err != nil {
			return err
		}
	}
	return nil
}

// publishPosted publishes what was posted when no publisher runs.
func (a *app) publishPosted(ctx context.Context) error {
	out, err := a.publisher()
	if err != nil {
		return err
	}
	// This fails when the broker is unavailable. Drain would wait for it without end.
	_, _, err = a.kafka().ensureTopics(ctx, a.config.Invitations.UsesTopic())
	if err == nil {
		err = out.Drain(ctx)
	}
	if err != nil && !errors.Is(err, publisher.ErrLedElsewhere) {
		return fmt.Errorf("everything is posted, but not all of it is published (the next publisher does it): %w", err)
	}
	return nil
}

// resultOf is a negative result when a run was stopped or left something out.
func resultOf(runs []models.Run) error {
	var failed []string
	for _, run := range runs {
		switch run.State {
		case models.RunBraked:
			failed = append(failed, fmt.Sprintf("the brake holds %s, nothing is posted: %s; look into it, then `referral run %s --accept`", run.Period, run.Brake, run.Period))
		case models.RunIncomplete:
			failed = append(failed, fmt.Sprintf("the run of %s is incomplete: %d accounts or invoices are parked (see above) and will be tried again", run.Period, run.Totals.Parked))
		}
	}
	if len(failed) > 0 {
		return negativeResult(strings.Join(failed, "; "))
	}
	return nil
}

// maxParkedShown is how many parked accounts the output of a run names.
const maxParkedShown = 1000

func (a *app) printRun(run models.Run, parked []models.ParkedAccount, format string) error {
	if format == "json" {
		return report.RunLine(a.out, run, parked)
	}
	report.RunTable(a.out, run, parked)
	return nil
}

// withoutRunErrors drops the errors in which runs end: the command reports them itself.
type withoutRunErrors struct {
	slog.Handler

	ofRun bool // the records are about one run
}

// Handle passes on all other records.
func (h withoutRunErrors) Handle(ctx context.Context, r slog.Record) error {
	if h.ofRun && r.Level >= slog.LevelError {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs recognises the records of a run by their attribute.
func (h withoutRunErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	ofRun := slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == "run" })
	return withoutRunErrors{Handler: h.Handler.WithAttrs(attrs), ofRun: h.ofRun || ofRun}
}

// WithGroup implements slog.Handler.
func (h withoutRunErrors) WithGroup(name string) slog.Handler {
	return withoutRunErrors{Handler: h.Handler.WithGroup(name), ofRun: h.ofRun}
}
