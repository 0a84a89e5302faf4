package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"referral/cmd/referral/report"
	"referral/store"
)

// version is the newest release in CHANGELOG.md. Programs built from later commits
// say the same, and differ by their commit.
const version = "0.1.0"

// buildCommit is what is being built, set by the linker (see the Makefile). A program
// built without it has what Go itself knows of the repository it was built in.
var buildCommit string

// versionReport says which program this is.
type versionReport struct {
	Version       string `json:"version"`
	Commit        string `json:"commit"`
	GoVersion     string `json:"go_version"`
	SchemaVersion int64  `json:"schema_version"`
}

func newVersionReport() versionReport {
	report := versionReport{Version: version, Commit: buildCommit, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		report.Commit = cmp.Or(report.Commit, commitOf(info.Settings))
	}
	report.Commit = cmp.Or(report.Commit, "unknown")
	return report
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
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which program this is, and which schema of the database it works on",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format, "table", "json"); err != nil {
				return err
			}
			return printVersion(p, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "`table` or json")
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

// buildInfo is the program as a metric, so that a change of it can be seen beside
// what it has changed.
func buildInfo() prometheus.Collector {
	v := newVersionReport()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "referral_build_info", Help: "1, with the version, the commit and the Go release of the program.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go_version": v.GoVersion},
	}, func() float64 { return 1 })
}
