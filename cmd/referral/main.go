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
	exitDone  = 0
	exitNo    = 1 // the answer is no: it does not tie, the brake holds, an account is parked
	exitWrong = 2 // wrong use or configuration, or it could not be found out
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

// output remembers the first error of writing, so that a command may print line
// by line and a full disk still does not pass for an answer.
type output struct {
	to  io.Writer
	err error
}

// Write passes on what is printed until the first error.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	var n int
	n, o.err = o.to.Write(b)
	return n, o.err
}

// errNo is the answer "no" of a command that has already said why.
type errNo struct{ why string }

func (e errNo) Error() string { return e.why }

func run(ctx context.Context, args []string, p process) int {
	out := &output{to: p.out}
	p.out = out
	root := newRoot(p)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = fmt.Errorf("the answer could not be written in full: %w", out.err)
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(p.err, "referral: "+strings.ReplaceAll(err.Error(), "\n", " "))
	if no := (errNo{}); errors.As(err, &no) {
		return exitNo
	}
	return exitWrong
}

func newRoot(p process) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "referral",
		Short: "The referral programme of a cloud PBX: codes, discounts, packages, settled month by month",
		Long: `referral takes facts from Kafka, keeps them in PostgreSQL, and applies each month's
discounts and SMS packages to the invoices.

Exit status: 0 done, 1 the answer is no (it does not tie, the brake holds),
2 wrong use or configuration.`,
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
	for _, command := range []func(process) *cobra.Command{
		newServe, newRun, newReconcile, newClose, newReopen, newExplain, newSimulate, newTerms, newDeadLetters, newResend, newWriteOff, newMigrate, newDemo, newVersion,
	} {
		root.AddCommand(command(p))
	}
	return root
}
