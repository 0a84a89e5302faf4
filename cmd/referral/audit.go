package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
)

func newAudit(p process) *cobra.Command {
	var format *string
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Check the journal of what people did: no entry altered, removed or moved",
		Long: `Reads the whole journal (who did what, when and why; sign-ins; changes of the
configuration) and calculates the hash of every entry again. Each entry covers the one
before it, so an entry that was altered, removed, inserted or moved is named, and the
exit status is 1. The hash of the last entry is printed: kept outside the database, it
proves later that nothing before it has changed.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error { return a.verifyJournal(ctx, *format) })
		},
	}
	format = formatFlag(verify, "table", "json")
	return group("audit", "The journal of what people did", verify)
}

func (a *app) verifyJournal(ctx context.Context, format string) error {
	check, err := a.store.CheckJournal(ctx)
	if err != nil {
		return err
	}
	if format == "json" {
		err = report.JSON(a.out, report.JournalOf(&check))
	} else {
		report.JournalText(a.out, &check)
	}
	if err != nil {
		return err
	}
	if check.Wrong > 0 {
		return negativeResult(fmt.Sprintf("the journal was changed behind the back of the service: %s, see above", report.Quantity(check.Wrong, "place")))
	}
	return nil
}
