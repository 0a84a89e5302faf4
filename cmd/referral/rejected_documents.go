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
	return documentCommand(p, documentDecision{
		required: nameRequired, participle: "resent", kind: models.ActionResend, record: (*store.Store).Resend, permits: billing.MayResend,
		done: func(a *app, d *models.LedgerDocument, _ *operatorFlags) {
			fmt.Fprintf(a.out, "%s will be published again; billing's next answer, dated after the last one, counts\n", documentName(d))
		},
	}, &cobra.Command{
		Use:   "resend DOCUMENT --by NAME [--reason TEXT]",
		Short: "Publish a document again that billing has rejected, once billing can take it",
		Long: `Has a document published again that billing has rejected: the same message on the same
topic, under the same id, before whatever is posted for the account later. The ledger
does not change. DOCUMENT is an adjustment_id or a package_id, as reconcile and explain
name it.

The exit status is 1 when the ledger has no such document, or billing's latest answer
to it is not "rejected", or it is written off, or an earlier resend still waits.`,
	})
}

func newWriteOff(p process) *cobra.Command {
	return documentCommand(p, documentDecision{
		required: reasonRequired, participle: "written off", kind: models.ActionWriteOff, record: (*store.Store).WriteOff, permits: billing.MayWriteOff,
		done: func(a *app, d *models.LedgerDocument, operator *operatorFlags) {
			fmt.Fprintf(a.out, "%s is written off by %s\n", documentName(d), operator.by)
			if len(d.Resends) > 0 {
				fmt.Fprintln(a.err, "warning: it was resent before; if billing books it after all, reconcile names it")
			}
		},
	}, &cobra.Command{
		Use:   "write-off DOCUMENT --by NAME --reason TEXT",
		Short: "Record that a document which billing has rejected is settled by hand",
		Long: `Records that a document which billing has rejected is settled by hand: every report shows
it as written off, by whom, when and why, and it is not a break any more. The ledger does
not change, and nothing is published: whether and how the client gets the amount is
finance's decision. It cannot be undone. DOCUMENT is an adjustment_id or a package_id.

The exit status is 1 when the ledger has no such document, or billing's latest answer
to it is not "rejected", or it is written off already, or a resend still waits.`,
	})
}

// documentDecision is what a person can decide about a document that billing has
// rejected.
type documentDecision struct {
	required   required
	participle string
	kind       models.OperatorActionKind
	record     func(*store.Store, context.Context, models.UUID, models.OperatorAction, func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error)
	permits    func(*models.LedgerDocument) error
	done       func(*app, *models.LedgerDocument, *operatorFlags)
}

func documentCommand(p process, decision documentDecision, cmd *cobra.Command) *cobra.Command {
	var operator operatorFlags
	cmd.Args = oneArgument
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := models.ParseUUID(args[0])
		if err != nil {
			return misuse(cmd, "%q is not the id of a document: give an adjustment_id or a package_id", args[0])
		}
		return onDatabase(cmd, p, readWrite, func(ctx context.Context, a *app) error {
			d, found, err := decision.record(a.store, ctx, id, operator.action(decision.kind, id.String()), decision.permits)
			var refusal billing.Refusal
			switch {
			case errors.As(err, &refusal):
				return negativeResult(fmt.Sprintf("document %s cannot be %s: %s", id, decision.participle, refusal))
			case err != nil:
				return err
			case !found:
				return negativeResult(fmt.Sprintf("the ledger has no document %s; `referral reconcile PERIOD` and `referral explain` name them", id))
			}
			decision.done(a, &d, &operator)
			return nil
		})
	}
	operator.add(cmd, decision.required)
	return cmd
}

// documentName describes a document within a sentence.
func documentName(d *models.LedgerDocument) string {
	if d.SMS > 0 {
		return fmt.Sprintf("the package of %d SMS of account %d (%s)", d.SMS, d.AccountID, d.Period)
	}
	return fmt.Sprintf("the adjustment of %s on invoice %s of account %d", d.Amount, report.Printable(d.InvoiceID), d.AccountID)
}
