package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
	"referral/store"
)

func newResend(p process) *cobra.Command {
	var who operator
	cmd := &cobra.Command{
		Use:   "resend DOCUMENT --by NAME [--reason TEXT]",
		Short: "Publish a document again that billing has rejected, once billing can take it",
		Long: `Has a document published again that billing has rejected: the same message on the same
topic, under the same id, before whatever is posted for the account later. The ledger
does not change. DOCUMENT is an adjustment_id or a package_id, as reconcile and explain
name it.

The exit status is 1 when the ledger has no such document, or billing's latest answer
to it is not "rejected", or it is written off, or an earlier resend still waits.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := decide(cmd, p, decision{"resend", "resent", &who, nameRequired, models.ActionResend, (*store.Store).Resend, billing.MayResend}, args[0])
			if err == nil {
				fmt.Fprintf(p.out, "%s will be published again; billing's next answer, dated after the last one, counts\n", documentName(&d))
			}
			return err
		},
	}
	who.flags(cmd, nameRequired)
	return cmd
}

func newWriteOff(p process) *cobra.Command {
	var who operator
	cmd := &cobra.Command{
		Use:   "write-off DOCUMENT --by NAME --reason TEXT",
		Short: "Settle a document by hand that billing has rejected",
		Long: `Says that a document which billing has rejected is settled by hand: every report shows it
as written off, by whom, when and why, and it is no break any more. The ledger does not
change, and nothing is published: whether and how the client gets the amount is finance's
decision. It cannot be undone. DOCUMENT is an adjustment_id or a package_id.

The exit status is 1 when the ledger has no such document, or billing's latest answer
to it is not "rejected", or it is written off already, or a resend still waits.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := decide(cmd, p, decision{"write-off", "written off", &who, reasonRequired, models.ActionWriteOff, (*store.Store).WriteOff, billing.MayWriteOff}, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%s is written off by %s\n", documentName(&d), who.by)
			if len(d.Resends) > 0 {
				fmt.Fprintln(p.err, "warning: it was sent again before: should billing book it after all, reconcile names it")
			}
			return nil
		},
	}
	who.flags(cmd, reasonRequired)
	return cmd
}

func documentArg(command, arg string) (models.UUID, error) {
	id, err := models.ParseUUID(arg)
	if err != nil {
		return id, usageError(command, fmt.Errorf("%q is not the id of a document: give an adjustment_id or a package_id", arg))
	}
	return id, nil
}

// decision is what a person decides about a document that billing has rejected.
type decision struct {
	command string
	what    string // becomes of the document
	who     *operator
	needed  required
	act     models.OperatorActionKind
	take    func(*store.Store, context.Context, models.UUID, models.OperatorAction, func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error)
	may     func(*models.LedgerDocument) error
}

// decide takes a decision on a document, or says why it cannot be taken.
func decide(cmd *cobra.Command, p process, by decision, arg string) (models.LedgerDocument, error) {
	id, err := documentArg(by.command, arg)
	if err == nil {
		err = by.who.check(by.command, by.needed)
	}
	if err != nil {
		return models.LedgerDocument{}, err
	}
	a, err := openMigrated(cmd, p)
	if err != nil {
		return models.LedgerDocument{}, err
	}
	defer a.close()
	d, found, err := by.take(a.store, cmd.Context(), id, by.who.action(by.act, id.String()), by.may)
	var refusal billing.Refusal
	switch {
	case errors.As(err, &refusal):
		return d, errNo{fmt.Sprintf("document %s cannot be %s: %s", id, by.what, refusal)}
	case err != nil:
		return d, err
	case !found:
		return d, errNo{fmt.Sprintf("the ledger has no document %s; `referral reconcile PERIOD` and `referral explain` name them", id)}
	}
	return d, nil
}

// documentName is a document in a sentence.
func documentName(d *models.LedgerDocument) string {
	if d.SMS > 0 {
		return fmt.Sprintf("the package of %d SMS of account %d (%s)", d.SMS, d.AccountID, d.Period)
	}
	return fmt.Sprintf("the adjustment of %s on invoice %s of account %d", d.Amount, report.Printable(d.InvoiceID), d.AccountID)
}
