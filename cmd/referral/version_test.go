package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/store"
	"referral/test/storetest"
)

// The version is told without a configuration, and is that of the schema which
// `migrate` makes.
func TestVersion(t *testing.T) {
	t.Chdir(t.TempDir())
	ask := func(args ...string) string {
		var out, complaints bytes.Buffer
		if status := run(t.Context(), args, process{in: bytes.NewReader(nil), out: &out, err: &complaints}); status != exitOK || complaints.Len() > 0 {
			t.Fatalf("%v: status %d, said %q", args, status, complaints.String())
		}
		return out.String()
	}
	var report versionReport
	if err := json.Unmarshal([]byte(ask("version", "--format", "json")), &report); err != nil {
		t.Fatal(err)
	}
	newest, err := store.SchemaVersion()
	if err != nil || report.SchemaVersion != newest || report.GoVersion != runtime.Version() || report.Version != version || report.Commit == "" {
		t.Errorf("%+v, %v", report, err)
	}
	text := ask("version")
	for _, want := range []string{"referral " + report.Version, report.Commit, report.GoVersion, fmt.Sprint("schema   ", newest)} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if same := ask("--version"); same != text {
		t.Errorf("--version says\n%s", same)
	}
	made, dsn := storetest.Open(t, nil)
	var version int64
	if err := storetest.SQL(t, dsn).QueryRow("SELECT max(version_id) FROM goose_db_version").Scan(&version); err != nil || version != newest {
		t.Errorf("a new database has version %d, want %d (%v)", version, newest, err)
	}
	if err := made.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

// The version is that of the newest release in the changelog, in the metric too.
func TestVersionIsTheNewestRelease(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) - \d{4}-\d{2}-\d{2}$`).FindSubmatch(text)
	if newest == nil || string(newest[1]) != version {
		t.Errorf("the newest release of CHANGELOG.md is %q, the program's version %s", newest, version)
	}
	if err := testutil.CollectAndCompare(buildInfo(), strings.NewReader(fmt.Sprintf(`
		# HELP referral_build_info 1, with the version, the commit and the Go release of the program.
		# TYPE referral_build_info gauge
		referral_build_info{commit=%q,go_version=%q,version=%q} 1
	`, newVersionReport().Commit, runtime.Version(), version))); err != nil {
		t.Error(err)
	}
}

func TestCommitOfABuild(t *testing.T) {
	for _, c := range []struct {
		settings []debug.BuildSetting
		want     string
	}{
		{nil, ""},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, ""},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, "abc"},
		{[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}}, "abc-modified"},
	} {
		if got := commitOf(c.settings); got != c.want {
			t.Errorf("%v: %q, want %q", c.settings, got, c.want)
		}
	}
}

// In an image without certificate authorities the program has its own.
func TestCertificateAuthoritiesAreBuiltIn(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no other package has set certificate authorities for a machine without any")
		}
	}()
	x509.SetFallbackRoots(x509.NewCertPool())
}
