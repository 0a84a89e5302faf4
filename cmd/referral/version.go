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
