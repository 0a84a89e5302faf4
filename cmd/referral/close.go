package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/store"
)

func newClose(p process) *cobra.Command {
	var operator operatorFlags
	var override string
	cmd := &cobra.Command{
		Use:   "close PERIOD --by NAME [--reason TEXT] [--override REASON]",
		Short: "Sign a period off: later differences are posted to the open period",
		Long: `Signs a period off and keeps the totals that were signed. The period must have been run,
and no run may be under way. A period that is not over, that does not tie, that has
accounts to be settled again, or that follows an open one is not closed: the answer names
every reason, and the exit status is 1. --override REASON closes it all the same; who did
so, why, and against which objections is recorded and shown by ` + "`referral reconcile`" + `.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := parsePeriod(args[0])
			if err != nil {
				return err
			}
			if override = strings.TrimSpace(override); override == "" && cmd.Flags().Changed("override") {
				return misuse(cmd, "--override takes the reason, as one line of text")
			}
			if err := checkRecordedText(cmd, "--override", override); err != nil {
				return err
			}
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
				return a.closePeriod(ctx, models.Signature{Period: period, Who: operator.by, Reason: operator.reason, Override: override})
			})
		},
	}
	operator.add(cmd, nameRequired)
	cmd.Flags().StringVar(&override, "override", "", "close in spite of the objections, for this `reason`")
	return cmd
}

// closeAttempts limits how often the totals are taken again because a run posted
// in the meantime.
const closeAttempts = 3

func (a *app) closePeriod(ctx context.Context, s models.Signature) error {
	for attempt := 1; ; attempt++ {
		signed, err := a.signOff(ctx, s)
		var notClosed *store.NotClosed
		switch {
		case errors.As(err, &notClosed):
			return negativeResult(explainNotClosed(notClosed))
		case errors.Is(err, store.ErrPostedMeanwhile) && attempt < closeAttempts:
			continue
		case errors.Is(err, store.ErrPostedMeanwhile):
			return negativeResult(fmt.Sprintf("%v; try again", err))
		case err != nil:
			return err
		}
		report.SignatureText(a.out, &signed)
		return nil
	}
}

// signOff signs a period with its totals. The store refuses one that has not been run
// or is closed already, so that its totals are not needed.
func (a *app) signOff(ctx context.Context, s models.Signature) (models.Signature, error) {
	info, err := a.periodInfo(ctx, s.Period)
	if err != nil {
		return s, err
	}
	if !a.programme.PeriodOver(s.Period, a.now()) {
		s.Objections = append(s.Objections, fmt.Sprintf("it is not over before %s", s.Period.End()))
	}
	if info.State == models.PeriodRun {
		if err := a.takeTotals(ctx, &s); err != nil {
			return s, err
		}
	}
	return a.store.ClosePeriod(ctx, s)
}

func (a *app) takeTotals(ctx context.Context, s *models.Signature) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	r, head, err := a.reconcilePeriod(ctx, s.Period)
	if err != nil {
		return err
	}
	if !r.Ties() {
		s.Objections = append(s.Objections, fmt.Sprintf("it does not tie: %s, see `referral reconcile %s`", report.Quantity(r.BreakCount, "break"), s.Period))
	}
	s.LastRun, s.Totals = head.LastRun, r.ToSign()
	s.Foreign = models.CountedAmount{Count: head.ForeignDocuments, Amount: head.ForeignAmount}
	return nil
}

func explainNotClosed(e *store.NotClosed) string {
	switch {
	case e.Already != nil:
		return fmt.Sprintf("%v; `referral reopen %s --by NAME --reason TEXT` takes the signature back", e, e.Period)
	case len(e.Obstacles) == 0:
		return e.Error() + "; --override REASON closes it all the same"
	}
	return e.Error()
}

func newReopen(p process) *cobra.Command {
	var operator operatorFlags
	cmd := &cobra.Command{
		Use:   "reopen PERIOD --by NAME --reason TEXT",
		Short: "Take a signature back, while no later period is closed",
		Long: `Takes finance's signature of a period back: later differences are posted to the
period itself again. Only the last closed period can be reopened. What was signed, by
whom and when, is kept and shown by ` + "`referral reconcile`" + `.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := parsePeriod(args[0])
			if err != nil {
				return err
			}
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
				err := a.store.ReopenPeriod(ctx, period, operator.action(models.ActionReopen, period.String()))
				if errors.Is(err, store.ErrNotReopened) {
					return negativeResult(err.Error())
				}
				if err == nil {
					fmt.Fprintf(a.out, "period %s is open again, by %s: %s\n", period, operator.by, operator.reason)
				}
				return err
			})
		},
	}
	operator.add(cmd, reasonRequired)
	return cmd
}
