package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/models"
)

func newReconcile(p process) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "reconcile PERIOD",
		Short: "Compare what is owed, posted, published and answered, and name what does not tie",
		Long: `Compares, for one period, what the facts entitle clients to (computed again), what the
ledger holds, what was published and what billing has answered: totals by kind and
percent, and every document by name that does not tie. The exit status is 1 when
something does not.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			period, err := parsePeriod(args[0])
			if err != nil {
				return err
			}
			if err := f.check(cmd, p.out); err != nil {
				return err
			}
			return onDatabase(cmd, p, readOnly, func(ctx context.Context, a *app) error { return a.reconcile(ctx, period, &f) })
		},
	}
	f.format = formatFlag(cmd, "table", "json", "csv", "xlsx")
	choiceFlag(cmd, &f.csv, "csv", "the `form` of --format csv, plain or excel, instead of the one that reports.csv names", report.CSVPlain, report.CSVExcel)
	cmd.Flags().StringVar(&f.output, "output", "", "write to a `file` instead of standard output")
	return cmd
}

// reportFlags is how a report is written.
type reportFlags struct {
	format *string
	csv    report.CSVForm // empty: as the configuration says
	output string
}

func (f *reportFlags) check(cmd *cobra.Command, out io.Writer) error {
	switch {
	case f.csv != "" && *f.format != "csv":
		return misuse(cmd, "--csv goes with --format csv only")
	case *f.format == "xlsx" && f.output == "" && isTerminal(out):
		return misuse(cmd, "a workbook cannot be shown on a terminal: give --output FILE")
	}
	return nil
}

func (f *reportFlags) write(w io.Writer, r *report.Reconciliation, configured report.CSVForm) error {
	switch *f.format {
	case "json":
		return report.JSON(w, r)
	case "csv":
		return report.ReconciliationCSV(w, r, cmp.Or(f.csv, configured))
	case "xlsx":
		return report.ReconciliationXLSX(w, r)
	}
	report.ReconciliationTable(w, r)
	return nil
}

func (a *app) reconcile(ctx context.Context, period models.Period, f *reportFlags) error {
	info, err := a.periodInfo(ctx, period)
	if err != nil {
		return err
	}
	digest, err := a.store.TermsInForce(ctx)
	if err != nil {
		return err
	}
	found, head, err := a.signer().Reconcile(ctx, period)
	if err != nil {
		return err
	}
	r := report.NewReconciliation(info, found, &head, a.now())
	r.OtherTerms = digest != "" && digest != a.programme.Digest()
	if err := writeOutput(a.out, f.output, func(w io.Writer) error { return f.write(w, r, a.config.Reports.CSV) }); err != nil {
		return err
	}
	if !r.Ties {
		return negativeResult(fmt.Sprintf("%s does not tie: %s, see the report", period, report.Quantity(r.BreakCount, "break")))
	}
	return nil
}

// periodInfo is what is known of a period; one that is not known is open.
func (a *app) periodInfo(ctx context.Context, period models.Period) (models.PeriodInfo, error) {
	all, err := a.store.Periods(ctx)
	for _, info := range all {
		if info.Period == period {
			return info, nil
		}
	}
	return models.PeriodInfo{Period: period, State: models.PeriodOpen}, err
}

// writeOutput writes to the file at path, or to out when there is no path. It deletes a
// file that could not be written in full.
func writeOutput(out io.Writer, path string, write func(io.Writer) error) error {
	if path == "" {
		return write(out)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	whole := &output{to: file}
	err = write(whole)
	closeErr := file.Close()
	if err = cmp.Or(err, whole.err, closeErr); err != nil {
		if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() {
			_ = os.Remove(path)
		}
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
