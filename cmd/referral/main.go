// Command referral is the referral programme of a cloud PBX: it takes facts from
// Kafka, keeps them in PostgreSQL, and applies each month's discounts and SMS
// packages to the invoices. See `referral --help`.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // an image may hold no certificate authorities

	"referral/cmd/referral/advice"
	"referral/cmd/referral/report"
	"referral/store"
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
	err = advice.OfDatabase(err)
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
		newResend(p), newWriteOff(p), newRevoke(p), newAcceptCode(p), newClassifyService(p), newAudit(p), newArchive(p), newRebuild(p), newRecover(p), newImport(p), newCompare(p), newBooked(p), newPrivacy(p), newCheckConfig(p), newMigrate(p), newDemo(p), newVersion(p),
	)
	return root
}

// version is the newest release in CHANGELOG.md. Programs built from later commits
// have the same version and differ by their commit.
const version = "0.1.0"

// buildCommit is the commit that is built, set by the linker (see the Makefile). Without
// it the program has what Go itself knows of the repository it was built in.
var buildCommit string

// versionReport says which program this is.
type versionReport struct {
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	GoVersion     string `json:"go_version"`
	SchemaVersion int64  `json:"schema_version"`
}

func newVersionReport() versionReport {
	v := versionReport{Version: version, Commit: buildCommit, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Commit = cmp.Or(v.Commit, commitOf(info.Settings))
	}
	v.Commit = cmp.Or(v.Commit, "unknown")
	return v
}

func commitOf(settings []debug.BuildSetting) string {
	var commit, modified string
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + modified
}

func newVersion(p process) *cobra.Command {
	var format *string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program, and of the database schema that it needs",
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return printVersion(p, *format) },
	}
	format = formatFlag(cmd, "table", "json")
	return cmd
}

func printVersion(p process, format string) error {
	v := newVersionReport()
	var err error
	if v.SchemaVersion, err = store.SchemaVersion(); err != nil {
		return err
	}
	if format == "json" {
		return report.JSON(p.out, v)
	}
	fmt.Fprintf(p.out, "referral %s\ncommit   %s\ngo       %s\nschema   %d\n", v.Version, v.Commit, v.GoVersion, v.SchemaVersion)
	return nil
}

// buildInfo is the version as a metric, so that a change of the program can be seen
// beside its effects.
func buildInfo() prometheus.Collector {
	v := newVersionReport()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "referral_build_info", Help: "1, with the version, the commit and the Go release of the program.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go_version": v.GoVersion},
	}, func() float64 { return 1 })
}
