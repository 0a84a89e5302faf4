package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"referral/billing/monthreport"
	"referral/cmd/referral/report"
	"referral/models"
)

// auditFlags is what is verified besides the journal.
type auditFlags struct {
	format *string
	head   string // hash of an entry that was published; empty for none
	period string // whose signed report is checked; empty for none
}

func newAudit(p process) *cobra.Command {
	var f auditFlags
	verify := &cobra.Command{
		Use:   "verify [--head HASH] [--period PERIOD]",
		Short: "Check the journal of what people did: no entry altered, removed or moved",
		Long: `Reads the whole journal (who did what, when and why; sign-ins; changes of the
configuration) and calculates the hash of every entry again. Each entry covers the one
before it, so an entry that was altered, removed, inserted or moved is named, and the
exit status is 1. The hash of the last entry is printed: kept outside the database, it
proves later that nothing before it has changed.

--head looks for such a hash, as referral.month-signed.v1 publishes one with each
signature (journal_hash). --period checks the newest signed report of a month: against
its SHA-256, and against the register that the ledger holds now. What does not match is
named, and the exit status is 1.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var head []byte
			var period models.Period
			var err error
			if f.head != "" {
				if head, err = hex.DecodeString(f.head); err != nil || len(head) != sha256.Size {
					return misuse(cmd, "--head takes a hash of 64 hexadecimal digits, not %q", f.head)
				}
			}
			if f.period != "" {
				if period, err = parsePeriod(f.period); err != nil {
					return misuse(cmd, "--%v", err)
				}
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error { return a.verify(ctx, *f.format, head, period) })
		},
	}
	f.format = formatFlag(verify, "table", "json")
	verify.Flags().StringVar(&f.head, "head", "", "the published `hash` of an entry, which the journal must contain")
	verify.Flags().StringVar(&f.period, "period", "", "the `period` whose signed report and register are checked")
	return group("audit", "The journal of what people did", verify)
}

// verify checks the journal, whether it contains an entry, and a signed report.
func (a *app) verify(ctx context.Context, format string, head []byte, period models.Period) error {
	check, err := a.store.CheckJournal(ctx)
	if err != nil {
		return err
	}
	j := report.JournalOf(&check)
	if head != nil {
		if j.Published, err = a.publishedEntry(ctx, head); err != nil {
			return err
		}
	}
	if period != 0 {
		if j.Signed, err = a.signedReport(ctx, period); err != nil {
			return err
		}
	}
	if format == "json" {
		err = report.JSON(a.out, j)
	} else {
		report.JournalText(a.out, &j)
	}
	if err != nil {
		return err
	}
	if check.Wrong > 0 {
		return negativeResult(fmt.Sprintf("the journal was changed outside the service: %s, see above", report.Quantity(check.Wrong, "place")))
	}
	if j.Published != nil && j.Published.Entry == 0 {
		return negativeResult(fmt.Sprintf("no entry of the journal has the hash %x: it was written again, or is that of another database", head))
	}
	if j.Signed != nil && j.Signed.Wrong != "" {
		return negativeResult(j.Signed.Wrong)
	}
	return nil
}

func (a *app) publishedEntry(ctx context.Context, head []byte) (*report.PublishedEntry, error) {
	entry, _, err := a.store.JournalEntryOf(ctx, head)
	return &report.PublishedEntry{Hash: hex.EncodeToString(head), Entry: entry}, err
}

// signedReport compares the newest report of a period with its digest and with the
// ledger.
func (a *app) signedReport(ctx context.Context, period models.Period) (*report.SignedReport, error) {
	reports, err := a.store.SignedReports(ctx, period)
	if err != nil {
		return nil, err
	}
	signed := &report.SignedReport{Period: period}
	if len(reports) == 0 {
		signed.Wrong = fmt.Sprintf("no report of %s is kept: it was not signed, or before reports were kept", period)
		return signed, nil
	}
	r, err := monthreport.Read(reports[0].Canonical)
	if err != nil {
		return nil, err
	}
	signed.SHA256, signed.At, signed.By = hex.EncodeToString(reports[0].SHA256[:]), r.SignedAt, r.SignedBy
	ledger, err := a.store.Ledger(ctx, period)
	if err != nil {
		return nil, err
	}
	info, err := a.periodInfo(ctx, period)
	switch {
	case err != nil:
		return nil, err
	case sha256.Sum256(reports[0].Canonical) != reports[0].SHA256:
		signed.Wrong = fmt.Sprintf("the report of %s is not the one whose SHA-256 is kept with it", period)
	case info.State == models.PeriodClosed && monthreport.RegisterOf(&ledger.Register) != r.Register:
		signed.Wrong = fmt.Sprintf("the register of %s is not the one that was signed: the ledger was changed outside the service", period)
	}
	return signed, nil
}
