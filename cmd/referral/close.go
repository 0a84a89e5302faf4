package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"referral/store"
)

func newClose(p process) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "close PERIOD --by NAME",
		Short: "Sign a period off: later differences are posted to the open period",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if by = strings.TrimSpace(by); by == "" {
				return usageError("close", errors.New("who signs? give --by NAME"))
			}
			a, err := openApp(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			if err := a.ready(cmd.Context()); err != nil {
				return err
			}
			info, err := a.store.ClosePeriod(cmd.Context(), period, by)
			if errors.Is(err, store.ErrNotRun) {
				return errNo{fmt.Sprintf("period %s cannot be closed: it has not been run; `referral run %s` first", period, period)}
			}
			if errors.Is(err, store.ErrUnderWay) {
				return errNo{fmt.Sprintf("period %s cannot be closed now: %v", period, store.ErrUnderWay)}
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "period %s is closed, signed by %s on %s\n", info.Period, info.ClosedBy, info.ClosedAt.Format(time.RFC3339))
			return nil
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "`name` of who signs")
	return cmd
}
