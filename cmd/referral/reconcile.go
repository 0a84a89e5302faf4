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
	"referral/cmd/referral/config"
	"referral/models"
)

func newReconcile(p process) *cobra.Command {
	var f reportFormat
	cmd := &cobra.Command{
		Use:   "reconcile PERIOD",
		Short: "Compare what is owed, posted, published and answered, and name what does not tie",
		Long: `Compares, for one period, what the facts entitle clients to (computed anew), what the
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
			return a.reconcile(cmd.Context(), p, period, f.output, f.writer(csvForm(a.config.Reports.CSV)))
		},
	}
	cmd.Flags().StringVar(&f.format, "format", "table", "`table`, json, csv or xlsx")
	cmd.Flags().StringVar((*string)(&f.csv), "csv", "", "with --format csv: `plain` or excel, instead of what reports.csv says")
	cmd.Flags().StringVar(&f.output, "output", "", "write to a `file` instead of standard output")
	return cmd
}

// reportWriter writes a reconciliation in one format.
type reportWriter func(io.Writer, *reconcileReport) error

// reportFormat is what the flags say about how a report is written.
type reportFormat struct {
	format string
	csv    csvForm // empty: as the configuration says
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
		return usageError("--csv", config.CSVForm(f.csv).Validate())
	case f.format == "xlsx" && f.output == "" && isTerminal(p.out):
		return usageError("reconcile", errors.New("a workbook is no sight on a terminal: give --output FILE"))
	}
	return nil
}

func (f *reportFormat) writer(configured csvForm) reportWriter {
	switch f.format {
	case "json":
		return writeReconcileJSON
	case "csv":
		return writeReconcileCSV(cmp.Or(f.csv, configured))
	case "xlsx":
		return writeReconcileXLSX
	}
	return writeReconcileTable
}

func (a *app) reconcile(ctx context.Context, p process, period models.Period, output string, write reportWriter) error {
	report, err := a.reconciled(ctx, p, period)
	if err != nil {
		return err
	}
	if err := writeOut(p, output, func(w io.Writer) error { return write(w, report) }); err != nil {
		return err
	}
	if !report.Ties {
		return errNo{fmt.Sprintf("%s does not tie: %s, see the report", period, things(report.BreakCount, "break"))}
	}
	return nil
}

// reconciled audits a period and sums up.
func (a *app) reconciled(ctx context.Context, p process, period models.Period) (*reconcileReport, error) {
	info, err := a.periodInfo(ctx, period)
	if err != nil {
		return nil, err
	}
	digest, err := a.store.TermsInForce(ctx)
	if err != nil {
		return nil, err
	}
	report := newReconcileReport(info, a.now())
	report.OtherTerms = digest != "" && digest != a.programme.Digest()
	r, head, err := a.audited(ctx, p, period)
	if err != nil {
		return nil, err
	}
	report.fill(r)
	report.fillSigned(r, &head)
	return report, nil
}

// audited is the reconciliation of a period. A person who asks wants to know what
// is open, however young it is.
func (a *app) audited(ctx context.Context, p process, period models.Period) (r *billing.Reconciliation, head models.AuditHead, err error) {
	tick, done := a.auditProgress(ctx, p, period)
	defer done()
	patience := billing.Patience{Now: a.now(), Grace: a.config.Schedule.AnswerGrace, Strict: true}
	err = a.store.Audit(ctx, period, func(h models.AuditHead) error {
		head, r = h, billing.NewReconciliation(a.programme, period, h, patience)
		return nil
	}, func(c *models.AuditCase) error {
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

// progressStep is how many accounts go by between two looks at the bar.
const progressStep = 1000

// auditProgress draws a bar while accounts are audited, when a person watches.
func (a *app) auditProgress(ctx context.Context, p process, period models.Period) (tick, done func()) {
	if !isTerminal(p.err) {
		return func() {}, func() {}
	}
	size, err := a.store.AuditSize(ctx, period)
	if err != nil {
		a.log.Warn("the progress cannot be shown", "error", err)
		return func() {}, func() {}
	}
	bar, seen := newBar(p.err), 0
	bar.ChangeMax64(max(size, 1))
	bar.Describe(fmt.Sprintf("%s accounts", period))
	tick = func() {
		if seen++; seen%progressStep == 0 {
			_ = bar.Set(seen)
		}
	}
	return tick, func() { _ = bar.Clear() }
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

// things is a number with what it counts: "1 break", "2 breaks".
func things(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}
