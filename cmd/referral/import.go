package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"referral/adoption"
	"referral/cmd/referral/report"
	"referral/models"
)

type importFlags struct {
	operator         operatorFlags
	dryRun, template bool
	remove           bool
	skipBad          string
	format           *string
}

func newImport(p process) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import DIRECTORY --by NAME",
		Short: "Take accounts, referrals, packages and discounts of an older system from CSV files",
		Long: `Takes what an older system kept from the files accounts.csv, referrals.csv, packages.csv and
discounts.csv in DIRECTORY; --template explains their columns, and writes examples there or to the
current directory. All files are checked first, and every bad row is named; nothing is stored
unless all rows are good, or --skip-bad FILE takes the bad ones. To import again changes
nothing, and a corrected file changes the difference. What the messages of the topics say goes before what the files say.

The exit status is 1 when bad rows kept everything from being stored, or would.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.template && len(args) == 0 {
				return nil
			}
			return oneArgument(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.template {
				return writeTemplate(p, strings.Join(args, ""))
			}
			if f.remove && f.skipBad != "" {
				return misuse(cmd, "--remove-missing and --skip-bad do not go together: what a bad row stands for would be removed")
			}
			needed := nameRequired
			if f.dryRun {
				needed = nothingRequired
			}
			if err := f.operator.check(cmd, needed); err != nil {
				return err
			}
			return onDatabase(cmd, p, f.dryRun, func(ctx context.Context, a *app) error { return a.importFiles(ctx, args[0], &f) })
		},
	}
	f.operator.add(cmd, nameRequired)
	cmd.PreRunE = nil // what is required depends on the other flags
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "check the files, and show what would change")
	cmd.Flags().BoolVar(&f.template, "template", false, "write example files to DIRECTORY")
	cmd.Flags().BoolVar(&f.remove, "remove-missing", false, "withdraw the referrals, packages and discounts of earlier imports that the files do not have")
	cmd.Flags().StringVar(&f.skipBad, "skip-bad", "", "write bad rows to a `file`, and import the others")
	f.format = formatFlag(cmd, "table", "json")
	return cmd
}

// writeTemplate writes the example files, over none that is there.
func writeTemplate(p process, directory string) error {
	directory = filepath.Clean(directory) // "." for none
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	template := adoption.Template()
	for name, text := range template {
		file, err := os.OpenFile(filepath.Join(directory, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		_, err = file.WriteString(text)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	report.ImportColumns(p.out)
	fmt.Fprintf(p.out, "%s written to %s\n", report.Quantity(int64(len(template)), "example file"), directory)
	return nil
}

func (a *app) importFiles(ctx context.Context, directory string, f *importFlags) (err error) {
	if err := a.requireTerms(ctx); err != nil {
		return err
	}
	digest, err := adoption.Digest(directory)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	var bad io.Writer
	if f.skipBad != "" {
		file, err := os.Create(f.skipBad)
		if err != nil {
			return fmt.Errorf("--skip-bad: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		bad = file
	}
	unfinished, err := a.store.UnfinishedImport(ctx)
	if err != nil {
		return err
	}
	bar := newBar(a.err)
	result, err := adoption.Import(ctx, adoption.Options{
		Directory: directory, Store: a.store, Derive: a.programme.Derive(newCode), Zone: a.programme.Zone, Now: a.now(), Sizes: a.packageSizes(),
		DryRun: f.dryRun, Remove: f.remove, SkipBad: bad,
		Begin: func(ctx context.Context) error {
			return a.store.RecordAction(ctx, f.operator.action(models.ActionBeginImport, digest))
		},
		Progress: func(what string, rows int64) { bar.Describe(fmt.Sprintf("%s: %s", what, report.Count(rows))) },
	})
	_ = bar.Clear()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if unfinished != nil {
		result.Unfinished = &adoption.Unfinished{At: unfinished.At, By: unfinished.Who, Digest: unfinished.Subject}
	}
	if result.Imported {
		if err := a.store.RecordAction(ctx, f.operator.action(models.ActionImport, digest)); err != nil {
			return err
		}
	}
	if *f.format == "json" {
		err = report.JSON(a.out, result)
	} else {
		report.ImportTable(a.out, result)
	}
	if err == nil && result.FaultCount > 0 && bad == nil {
		err = negativeResult(fmt.Sprintf("nothing is imported: %s, see above", report.Quantity(result.FaultCount, "fault")))
	}
	return err
}

// packageSizes is the sizes of the packages that any version of the terms gives.
func (a *app) packageSizes() (sizes []int) {
	for i := range a.programme.Versions {
		for _, step := range a.programme.Versions[i].Ladder {
			if step.SMS > 0 && !slices.Contains(sizes, step.SMS) {
				sizes = append(sizes, step.SMS)
			}
		}
	}
	return sizes
}
