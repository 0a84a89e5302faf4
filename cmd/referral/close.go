package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/signoff"
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

func (a *app) closePeriod(ctx context.Context, s models.Signature) error {
	signed, err := a.signer().Close(ctx, s)
	var notClosed *models.NotClosed
	switch {
	case errors.As(err, &notClosed):
		return negativeResult(explainNotClosed(notClosed))
	case errors.Is(err, models.ErrPostedMeanwhile):
		return negativeResult(fmt.Sprintf("%v; try again", err))
	case err != nil:
		return err
	}
	report.SignatureText(a.out, &signed)
	return nil
}

// signer is what signs periods off.
func (a *app) signer() *signoff.Signer {
	v := newVersionReport()
	return &signoff.Signer{
		Store: a.store, Programme: a.programme, Grace: a.config.Schedule.AnswerGrace, Now: a.now, Program: v.Version + " " + v.Commit,
		RequireTerms: a.requireTerms, Progress: a.countAccounts,
	}
}

func explainNotClosed(e *models.NotClosed) string {
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
				var no *models.NotReopened
				if errors.As(err, &no) {
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
