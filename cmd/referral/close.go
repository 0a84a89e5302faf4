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
	var who operator
	var override string
	cmd := &cobra.Command{
		Use:   "close PERIOD --by NAME [--reason TEXT] [--override REASON]",
		Short: "Sign a period off: later differences are posted to the open period",
		Long: `Signs a period off and keeps the totals that were signed. The period must have been run,
and no run may be under way. A period that is not over, that does not tie, that has
accounts to be settled again, or that follows an open one is not closed: the answer names
every reason, and the exit status is 1. --override REASON closes it all the same; who did
so, why, and against what is recorded and shown by ` + "`referral reconcile`" + `.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if err := who.check("close", nameRequired); err != nil {
				return err
			}
			if cmd.Flags().Changed("override") && strings.TrimSpace(override) == "" {
				return usageError("close", errors.New("--override takes the reason, in words"))
			}
			if err := checkOperatorText("close", "--override", override); err != nil {
				return err
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			return a.closePeriod(cmd.Context(), p, models.Signature{Period: period, Who: who.by, Reason: who.reason, Override: strings.TrimSpace(override)})
		},
	}
	who.flags(cmd, nameRequired)
	cmd.Flags().StringVar(&override, "override", "", "close in spite of what stands against it, for this `reason`")
	return cmd
}

// closeAttempts bounds how often the totals are taken again because a run posted
// meanwhile.
const closeAttempts = 3

func (a *app) closePeriod(ctx context.Context, p process, s models.Signature) error {
	for attempt := 1; ; attempt++ {
		signed, err := a.signOff(ctx, p, s)
		var no *store.NotClosed
		switch {
		case errors.As(err, &no):
			return errNo{notClosedInWords(no)}
		case errors.Is(err, store.ErrPostedMeanwhile) && attempt < closeAttempts:
			continue
		case errors.Is(err, store.ErrPostedMeanwhile):
			return errNo{fmt.Sprintf("%v; try again", err)}
		case err != nil:
			return err
		}
		report.SignatureText(p.out, &signed)
		return nil
	}
}

func (a *app) overObjection(period models.Period) string {
	if a.programme.PeriodOver(period, a.now()) {
		return ""
	}
	return fmt.Sprintf("it is not over before %s", period.End())
}

// signOff signs a period with its totals. One that has not been run, or is closed
// already, has none to be signed: the store says so.
func (a *app) signOff(ctx context.Context, p process, s models.Signature) (models.Signature, error) {
	info, err := a.periodInfo(ctx, s.Period)
	if err != nil {
		return s, err
	}
	if over := a.overObjection(s.Period); over != "" {
		s.Objections = append(s.Objections, over)
	}
	if info.State == models.PeriodRun {
		if err := a.takeTotals(ctx, p, &s); err != nil {
			return s, err
		}
	}
	return a.store.ClosePeriod(ctx, s)
}

func (a *app) takeTotals(ctx context.Context, p process, s *models.Signature) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	r, head, err := a.audited(ctx, p, s.Period)
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

func notClosedInWords(no *store.NotClosed) string {
	switch {
	case no.Already != nil:
		return fmt.Sprintf("%v; `referral reopen %s --by NAME --reason TEXT` takes the signature back", no, no.Period)
	case len(no.Obstacles) == 0:
		return no.Error() + "; --override REASON closes it all the same"
	}
	return no.Error()
}

func newReopen(p process) *cobra.Command {
	var who operator
	cmd := &cobra.Command{
		Use:   "reopen PERIOD --by NAME --reason TEXT",
		Short: "Take a signature back, while no later period is closed",
		Long: `Takes finance's signature under a period back: what is found later is posted to the
period itself again. Only the last closed period can be reopened. What was signed, by
whom and when, is kept and shown by ` + "`referral reconcile`" + `.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if err := who.check("reopen", reasonRequired); err != nil {
				return err
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			err = a.store.ReopenPeriod(cmd.Context(), period, who.action(models.ActionReopen, period.String()))
			if errors.Is(err, store.ErrNotReopened) {
				return errNo{err.Error()}
			}
			if err == nil {
				fmt.Fprintf(p.out, "period %s is open again, by %s: %s\n", period, who.by, who.reason)
			}
			return err
		},
	}
	who.flags(cmd, reasonRequired)
	return cmd
}
