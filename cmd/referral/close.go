package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/models"
	"referral/store"
)

func newClose(p process) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "close PERIOD --by NAME",
		Short: "Sign a period off: later differences are posted to the open period",
		Long: `Signs a period off, once it has been run. What is found later, and what
waits to be settled in it now, is posted to the first period after it that is open: of
that there is a warning.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if by = strings.TrimSpace(by); by == "" {
				return usageError("close", errors.New("who signs? give --by NAME"))
			}
			a, err := openMigrated(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.requireTerms(cmd.Context()); err != nil {
				return err
			}
			return a.signOff(cmd.Context(), p, period, by)
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "`name` of who signs")
	return cmd
}

func (a *app) signOff(ctx context.Context, p process, period models.Period, by string) error {
	info, err := a.store.ClosePeriod(ctx, period, by)
	switch {
	case errors.Is(err, store.ErrNotRun):
		return errNo{fmt.Sprintf("period %s cannot be closed: it has not been run; `referral run %s` first", period, period)}
	case errors.Is(err, store.ErrUnderWay):
		return errNo{fmt.Sprintf("period %s cannot be closed now: %v", period, store.ErrUnderWay)}
	case err != nil:
		return err
	}
	fmt.Fprintf(p.out, "period %s is closed, signed by %s on %s\n", info.Period, info.ClosedBy, info.ClosedAt.Format(time.RFC3339))
	return a.warnOfUnsettled(ctx, p, period)
}

// warnOfUnsettled names what a closed period leaves to the open one. It is asked
// after the closing, which no fact that came before can then have escaped.
func (a *app) warnOfUnsettled(ctx context.Context, p process, period models.Period) error {
	periods, err := a.store.Periods(ctx)
	if err != nil {
		return err
	}
	for _, info := range periods {
		if info.Period != period {
			continue
		}
		open := billing.PostingPeriod(periods, period)
		if !a.programme.Over(period, a.now()) {
			fmt.Fprintf(p.err, "warning: %s is not over before %s: what it still brings will be posted to %s\n", period, period.End(), open)
		}
		if info.Stale > 0 {
			fmt.Fprintf(p.err, "warning: in %s %s not settled yet: the differences will be posted to %s\n", period, areThings(info.Stale, "account"), open)
		}
		if info.Braked {
			fmt.Fprintf(p.err, "warning: the brake holds a run of %s: `referral run %[1]s --accept` will post it to %s\n", period, open)
		}
	}
	return nil
}

func areThings(n int64, what string) string {
	if n == 1 {
		return things(n, what) + " is"
	}
	return things(n, what) + " are"
}
