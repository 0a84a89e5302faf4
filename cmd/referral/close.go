package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"referral/adoption"
	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
	"referral/signoff"
)

func newClose(p process) *cobra.Command {
	var operator operatorFlags
	var override string
	var shadow shadowFlags
	cmd := &cobra.Command{
		Use:   "close PERIOD --by NAME [--reason TEXT] [--override REASON] [--booked FILE]",
		Short: "Sign a period off: later differences are posted to the open period",
		Long: `Signs a period off and keeps the totals that were signed. The period must have been run,
and no run may be under way. A period that is not over, that does not tie, that has
accounts to be settled again, or that follows an open one is not closed: the answer names
every reason, and the exit status is 1. --override REASON closes it all the same; who did
so, why, and against which objections is recorded and shown by ` + "`referral reconcile`" + `.

A period that was settled in shadow mode needs --booked FILE: what the older system has given,
by invoice or by account. The ledger is brought to that before the period is closed, so that
later differences are posted to what clients have got.`,
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
				if shadow.booked.file != "" {
					if err := a.bookShadow(ctx, period, &shadow, operator.action(models.ActionBook, period.String())); err != nil {
						return err
					}
				}
				return a.closePeriod(ctx, models.Signature{Period: period, Who: operator.by, Reason: operator.reason, Override: override})
			})
		},
	}
	operator.add(cmd, nameRequired)
	shadow.add(cmd)
	cmd.Flags().StringVar(&override, "override", "", "close in spite of the objections, for this `reason`")
	return cmd
}

// bookedFlags names a file of what an older system has given.
type bookedFlags struct {
	file string
	sign adoption.Sign
}

// add adds the flag of the file under a name, and --sign.
func (f *bookedFlags) add(cmd *cobra.Command, name string) {
	cmd.Flags().StringVar(&f.file, name, "", "the CSV `file` of what the older system has given: invoice or account, and amount or amount_minor")
	f.sign = adoption.SignAuto
	choiceFlag(cmd, &f.sign, "sign", "whether a discount in the file is positive (`discount`), or negative as added to the invoice (invoice); auto goes by the sum", adoption.Signs...)
}

// shadowFlags says how a period of the shadow mode is closed.
type shadowFlags struct {
	booked bookedFlags
	owed   bool
}

func (f *shadowFlags) add(cmd *cobra.Command) {
	f.booked.add(cmd, "booked")
	cmd.Flags().BoolVar(&f.owed, "packages-still-owed", false, "packages of the period that were not imported as given go out when shadow mode has ended")
}

// readBooked reads what an older system has given, and names rows that cannot be read.
func (a *app) readBooked(f bookedFlags) (*adoption.Booked, error) {
	booked, faults, err := adoption.ReadBooked(f.file, f.sign)
	if err != nil {
		return nil, err
	}
	for _, fault := range faults {
		fmt.Fprintln(a.out, report.Printable(fault.String()))
	}
	if len(faults) > 0 {
		return nil, negativeResult(fmt.Sprintf("%s cannot be read: %s", f.file, report.Quantity(int64(len(faults)), "bad row")))
	}
	return booked, nil
}

// bookShadow brings the ledger of a period of the shadow mode to what an older system has
// given.
func (a *app) bookShadow(ctx context.Context, period models.Period, f *shadowFlags, act models.OperatorAction) error {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	info, err := a.periodInfo(ctx, period)
	switch {
	case err != nil:
		return err
	case !info.Shadow || info.State != models.PeriodRun:
		return negativeResult(fmt.Sprintf("--booked is for a period that was settled in shadow mode and is open; %s is not", period))
	}
	booked, err := a.readBooked(f.booked)
	if err != nil {
		return err
	}
	found, _, err := a.signer().Reconcile(ctx, period)
	if err != nil {
		return err
	}
	if owed := found.NoticesOf(billing.NoticeShadowPackage); owed > 0 && !f.owed {
		return negativeResult(fmt.Sprintf("%s of %s are not imported as given: import packages.csv first, or say --packages-still-owed if the older system has not given them", report.Quantity(owed, "package"), period))
	}
	err = booked.EachRow(func(rows []models.BookedRow) error { return a.store.MarkBooked(ctx, period, rows) })
	if err != nil {
		return err
	}
	settler, err := a.settler(a.log)
	if err != nil {
		return err
	}
	act.Reason = strings.TrimSuffix(fmt.Sprintf("%s in %d rows, SHA-256 %s; %s", booked.Total, booked.Rows, booked.SHA256, act.Reason), "; ")
	if err := a.store.RecordAction(ctx, act); err != nil {
		return err
	}
	run, err := settler.Book(ctx, period, billing.Book(booked))
	if err != nil {
		return err
	}
	tally, err := a.store.TallyBooked(ctx, models.BookedFile{Period: period, RunID: run.ID, SHA256: booked.SHA256}, booked)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "booked in %s: %s given by the older system in %s; %s brought the ledger to that, %s together\n",
		period, booked.Total, report.Quantity(booked.Rows, "row"), report.Quantity(run.Totals.Documents, "document"), run.Totals.Amount)
	rows, err := a.store.NotBooked(ctx, period, maxParkedShown)
	report.NotBookedTable(a.out, &tally, rows)
	return err
}

func newBooked(p process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "booked PERIOD",
		Short: "Show what an older system has given in a month, and what of it is not booked",
		Long: `Shows the file that ` + "`referral close PERIOD --booked FILE`" + ` has booked last, and names the
rows of it that the ledger does not hold, each with its reason. The exit status is 1 when there is one.`,
		Args: oneArgument,
	}
	format := formatFlag(cmd, "table", "json", "csv")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		period, err := parsePeriod(args[0])
		if err != nil {
			return err
		}
		return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error {
			files, err := a.store.BookedFiles(ctx, period)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				return negativeResult(fmt.Sprintf("no file of an older system is booked in %s", period))
			}
			rows, err := a.store.NotBooked(ctx, period, billing.MaxNamed)
			if err != nil {
				return err
			}
			switch *format {
			case "json":
				err = report.JSON(a.out, struct {
					models.BookedFile
					NotBookedRows []models.NotBooked `json:"not_booked_rows"`
				}{files[0], rows})
			case "csv":
				err = report.NotBookedCSV(a.out, rows)
			default:
				report.BookedTable(a.out, &files[0], rows)
			}
			if n := files[0].NotBooked; err == nil && n > 0 {
				err = negativeResult(fmt.Sprintf("not booked in %s: %s", period, report.Quantity(n, "row")))
			}
			return err
		})
	}
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
