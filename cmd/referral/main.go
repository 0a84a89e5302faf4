// Command referral is the referral programme of a cloud PBX: it takes facts from
// Kafka, keeps them in PostgreSQL, and applies each month's discounts and SMS
// packages to the invoices. See `referral --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit statuses (docs/contract.md, "Commands").
const (
	exitOK       = 0
	exitNegative = 1 // a negative result: it does not tie, the brake holds, an account is parked
	exitError    = 2 // wrong use or configuration, or the command failed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], process{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()})
	stop()
	os.Exit(status)
}

// process is what a command gets from the operating system.
type process struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

// output keeps the first error of writing, so that a command may print line by line
// and still fails when the disk is full.
type output struct {
	to  io.Writer
	err error
}

// Write writes until the first error.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	var n int
	n, o.err = o.to.Write(b)
	return n, o.err
}

// negativeResult is the error of a command that worked and whose result is negative:
// the exit status is 1.
type negativeResult string

func (e negativeResult) Error() string { return string(e) }

func run(ctx context.Context, args []string, p process) int {
	out := &output{to: p.out}
	p.out = out
	root := newRoot(p)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = fmt.Errorf("writing the output: %w", out.err)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(p.err, "referral: "+strings.ReplaceAll(err.Error(), "\n", " "))
	if negative := negativeResult(""); errors.As(err, &negative) {
		return exitNegative
	}
	return exitError
}

func newRoot(p process) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "referral",
		Short: "The referral programme of a cloud PBX: codes, discounts and SMS packages, settled month by month",
		Long: `referral takes facts from Kafka, keeps them in PostgreSQL, and applies each month's
discounts and SMS packages to the invoices.

Exit status: 0 done, 1 a negative result (it does not tie, the brake holds, an account
is parked), 2 wrong use or configuration, or the command failed.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return printVersion(p, "table")
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&version, "version", false, "the same as the command version")
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().String("config", "config.yaml", "the configuration `file`")
	root.AddCommand(
		newServe(p), newRun(p), newReconcile(p), newClose(p), newReopen(p), newExplain(p), newSimulate(p), newTerms(p), newDeadLetters(p),
		newResend(p), newWriteOff(p), newRevoke(p), newAcceptCode(p), newAudit(p), newArchive(p), newRebuild(p), newImport(p), newMigrate(p), newDemo(p), newVersion(p),
	)
	return root
}
