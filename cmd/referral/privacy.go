package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
	"referral/privacy"
)

func newPrivacy(p process) *cobra.Command {
	return group("privacy", "Hand out or erase the personal data of one client", newPrivacyExport(p), newPrivacyErase(p), newPrivacyDue(p))
}

func newPrivacyExport(p process) *cobra.Command {
	var operator operatorFlags
	var output string
	cmd := &cobra.Command{
		Use:   "export ACCOUNT --by NAME",
		Short: "Write all that is stored about one client, for the client to have",
		Long: `Writes all that is stored about one client: every row of every table that belongs to its
account, and why it has its discounts. JSON is for programs, HTML a page in Russian for the
client to read. Who handed the data out is recorded.`,
		Args: oneArgument,
	}
	format := formatFlag(cmd, privacy.Formats...)
	cmd.Flags().StringVar(&output, "output", "", "write to a `file` instead of standard output")
	operator.add(cmd, nameRequired)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		account, err := accountID(cmd, args[0])
		if err != nil {
			return err
		}
		return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
			data, found, err := privacy.Collect(ctx, a.store, a.programme, account, a.now())
			if err != nil {
				return err
			}
			if !found {
				return negativeResult(fmt.Sprintf("account %d is not known", account))
			}
			if err := a.store.RecordAction(ctx, operator.action(models.ActionExportPerson, strconv.FormatInt(account, 10))); err != nil {
				return err
			}
			return writeOutput(a.out, output, func(w io.Writer) error { return data.Write(w, *format) })
		})
	}
	return cmd
}

func newPrivacyErase(p process) *cobra.Command {
	var operator operatorFlags
	cmd := &cobra.Command{
		Use:   "erase ACCOUNT --by NAME --reason TEXT",
		Short: "Erase the personal data of one client for good",
		Long: `Erases name, tax id and contacts of a client, the recipients of its invitations, its
sessions and answered requests, and the bodies of dead letters about it. Days, percentages
and money stay, under the account's number. No later message or import brings the data
back. Backups and the topics keep what they have: see docs/privacy.md. Do not put personal
data into the reason.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			account, err := accountID(cmd, args[0])
			if err != nil {
				return err
			}
			return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
				erased, err := a.store.Erase(ctx, account, operator.action(models.ActionErase, strconv.FormatInt(account, 10)))
				if err == nil && !erased {
					return negativeResult(fmt.Sprintf("nothing is erased: account %d is not known, or its data were erased before", account))
				}
				if err == nil {
					fmt.Fprintf(a.out, "the personal data of account %d are erased, by %s\n", account, report.Printable(operator.by))
				}
				return err
			})
		},
	}
	operator.add(cmd, reasonRequired)
	return cmd
}

// maxDue is how many accounts are listed.
const maxDue = 1000

func newPrivacyDue(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "due",
		Short: "List the accounts whose personal data the retention will erase next",
		Long: `Lists the accounts that left longer ago than retention.terminated_accounts, and have got no
document since: the service erases their personal data at the next retention.at. At most
1000 are listed.`,
		Args: noArguments,
	}
	format := formatFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
			due := []int64{}
			if keep := a.config.Retention.TerminatedAccounts; keep > 0 {
				var err error
				if due, err = a.store.TerminatedAccounts(ctx, a.now().Add(-keep), maxDue); err != nil {
					return err
				}
			}
			if *format == "json" {
				return report.JSON(a.out, due)
			}
			for _, id := range due {
				fmt.Fprintln(a.out, id)
			}
			fmt.Fprintf(a.out, "the personal data of %s will be erased\n", report.Quantity(int64(len(due)), "account"))
			return nil
		})
	}
	return cmd
}
