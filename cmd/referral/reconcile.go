package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"referral/billing"
	"referral/cmd/referral/report"
	"referral/models"
)

func newReconcile(p process) *cobra.Command {
	var f reportFormat
	cmd := &cobra.Command{
		Use:   "reconcile PERIOD",
		Short: "Compare what is owed, posted, published and answered, and name what does not tie",
		Long: `Compares, for one period, what the facts entitle clients to (computed again), what the
ledger holds, what was published and what billing has answered: totals by kind and
percent, and every document by name that does not tie. The exit status is 1 when
something does not.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := periodArg(args)
			if err != nil {
				return err
			}
			if err := f.validate(p); err != nil {
				return err
			}
			a, err := openReadOnly(cmd, p)
			if err != nil {
				return err
			}
			defer a.close()
			return a.reconcile(cmd.Context(), p, period, &f)
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "table", "`table`, json, csv or xlsx")
	cmd.Flags().StringVar((*string)(&f.csv), "csv", "", "with --format csv: `plain` or excel, instead of what reports.csv says")
	cmd.Flags().StringVar(&f.output, "output", "", "write to a `file` instead of standard output")
	return cmd
}

// reportFormat is what the flags say about how a report is written.
type reportFormat struct {
	format string
	csv    report.CSVForm // empty: as the configuration says
	output string
}

func (f *reportFormat) validate(p process) error {
	if err := checkFormat(f.format, "table", "json", "csv", "xlsx"); err != nil {
		return err
	}
	switch {
	case f.csv != "" && f.format != "csv":
		return usageError("--csv", errors.New("it goes with --format csv only"))
	case f.csv != "":
		return usageError("--csv", f.csv.Validate())
	case f.format == "xlsx" && f.output == "" && isTerminal(p.out):
		return usageError("reconcile", errors.New("a workbook is no sight on a terminal: give --output FILE"))
	}
	return nil
}

func (f *reportFormat) write(w io.Writer, r *report.Reconciliation, configured report.CSVForm) error {
	switch f.format {
	case "json":
		return report.JSON(w, r)
	case "csv":
		return report.ReconciliationCSV(w, r, cmp.Or(f.csv, configured))
	case "xlsx":
		return report.ReconciliationXLSX(w, r)
	}
	return report.ReconciliationTable(w, r)
}

func (a *app) reconcile(ctx context.Context, p process, period models.Period, f *reportFormat) error {
	r, err := a.reconciled(ctx, p, period)
	if err != nil {
		return err
	}
	if err := writeOut(p, f.output, func(w io.Writer) error { return f.write(w, r, a.config.Reports.CSV) }); err != nil {
		return err
	}
	if !r.Ties {
		return errNo{fmt.Sprintf("%s does not tie: %s, see the report", period, report.Quantity(r.BreakCount, "break"))}
	}
	return nil
}

// reconciled audits a period and sums up.
func (a *app) reconciled(ctx context.Context, p process, period models.Period) (*report.Reconciliation, error) {
	info, err := a.periodInfo(ctx, period)
	if err != nil {
		return nil, err
	}
	digest, err := a.store.TermsInForce(ctx)
	if err != nil {
		return nil, err
	}
	result := report.NewReconciliation(info, a.now())
	result.OtherTerms = digest != "" && digest != a.programme.Digest()
	r, head, err := a.audited(ctx, p, period)
	if err != nil {
		return nil, err
	}
	result.Fill(r, &head)
	return result, nil
}

// audited is the reconciliation of a period. A person who asks wants to know what
// is open, however young it is.
func (a *app) audited(ctx context.Context, p process, period models.Period) (r *billing.Reconciliation, head models.AuditHead, err error) {
	tick, done := a.auditProgress(ctx, p, period)
	defer done()
	patience := billing.AnswerGrace{Now: a.now(), Grace: a.config.Schedule.AnswerGrace, Strict: true}
	err = a.store.Audit(ctx, period, func(h models.AuditHead) error {
		head, r = h, billing.NewReconciliation(a.programme, period, h, patience)
		return nil
	}, func(c *models.AccountHistory) error {
		tick()
		r.Account(c)
		return nil
	})
	if err == nil {
		r.Close()
	}
	return r, head, err
}

// periodInfo is what is known of a period; an open one that nothing is known of.
func (a *app) periodInfo(ctx context.Context, period models.Period) (models.PeriodInfo, error) {
	all, err := a.store.Periods(ctx)
	if err != nil {
		return models.PeriodInfo{}, err
	}
	for _, info := range all {
		if info.Period == period {
			return info, nil
		}
	}
	return models.PeriodInfo{Period: period, State: models.PeriodOpen}, nil
}

// writeOut hands the writer of a file to write, or that of standard output when
// none is named. A file that could not be written whole is taken away.
func writeOut(p process, path string, write func(io.Writer) error) error {
	if path == "" {
		return write(p.out)
	}
	file, err := os.Create(path)
	if err != nil {
		return usageError("--output", err)
	}
	err = write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		if info, gone := os.Stat(path); gone == nil && info.Mode().IsRegular() {
			_ = os.Remove(path)
		}
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
