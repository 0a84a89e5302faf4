package dashboards

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"referral/internal/toolcache"
	"referral/test/toolchain"
)

var update = flag.Bool("update", false, "write the dashboards")

// The JSON in the folder is what the code builds.
func TestDashboardsAreWritten(t *testing.T) {
	t.Parallel()
	written, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages() {
		text, err := p.json()
		if err != nil {
			t.Fatal(err)
		}
		file := strings.TrimPrefix(p.uid, "referral-") + ".json"
		if *update {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != string(text) {
			t.Errorf("%s is not what the code builds: go test ./deploy/observability/dashboards -update (%v)", file, err)
		}
		written = slices.DeleteFunc(written, func(name string) bool { return name == file })
	}
	if len(written) > 0 {
		t.Errorf("the code does not build %s", written)
	}
}

// Every field is one that Grafana's schema has, with a value that it allows: what Grafana
// does not know it would leave out without a word.
func TestDashboardsFitTheSchema(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	for _, p := range pages() {
		text, err := p.json()
		if err != nil {
			t.Fatal(err)
		}
		var read schema
		if err := strict(&read, text); err != nil {
			t.Errorf("%s: %v", p.uid, err)
		}
		if err := read.Validate(); err != nil {
			t.Errorf("%s: %v", p.uid, err)
		}
		wrong := strings.Replace(string(text), `"graphMode"`, `"graphModes"`, 1)
		if err := strict(new(schema), []byte(wrong)); wrong == string(text) || err == nil {
			t.Errorf("%s: an unknown field is taken", p.uid)
		}
	}
}

// schema is what a dashboard may hold in the form that we write, which every Grafana reads.
type schema = dashboard.Dashboard //nolint:staticcheck // the next form is read by the newest Grafana only

// strict reads a dashboard. The package of Grafana may give an error that lists nothing.
func strict(into *schema, text []byte) error {
	err := into.UnmarshalJSONStrict(text)
	if list := (cog.BuildErrors)(nil); errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}

// expressions is every expression, as Prometheus reads it.
func expressions() (all []string) {
	for _, p := range pages() {
		for _, r := range p.rows {
			for _, panel := range r.panels {
				for _, q := range panel.queries {
					all = append(all, strings.ReplaceAll(q.expr, "$__rate_interval", "5m"))
				}
			}
		}
	}
	return all
}

func TestExpressionsAreRight(t *testing.T) {
	t.Parallel()
	tool, err := toolchain.Prometheus(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboards\n    rules:\n")
	for i, expr := range expressions() {
		fmt.Fprintf(&rules, "      - {record: 'dashboard:%d', expr: %q}\n", i, expr)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := toolcache.Run(tool.Command(t.Context(), "promtool", "check", "rules", file)); err != nil {
		t.Error(err)
	}
}

// Dashboards use metrics of docs/operations.md, which a test of cmd/referral holds to
// those of the program, records of the rules, and some metrics of libraries.
func TestMetricsExist(t *testing.T) {
	t.Parallel()
	var known []string
	for file, pattern := range map[string]string{"../../../docs/operations.md": "(?m)^\\| `(referral_[a-z_]+)`", "../rules/service-levels.yaml": `record: (\S+)`} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			known = append(known, m[1])
		}
	}
	known = append(known, "ALERTS", "go_sql_in_use_connections", "go_sql_max_open_connections", "go_sql_wait_duration_seconds_total",
		"process_resident_memory_bytes", "process_cpu_seconds_total")
	for _, expr := range expressions() {
		bare := regexp.MustCompile(`"[^"]*"|\[\w+\]`).ReplaceAllString(expr, "")
		for _, name := range regexp.MustCompile(`\b(?:referral[_:][a-z0-9_:]+|go_\w+|process_\w+|ALERTS\w*)`).FindAllString(bare, -1) {
			histogram := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !slices.Contains(known, name) && !slices.Contains(known, histogram) {
				t.Errorf("%s uses %s, which does not exist", expr, name)
			}
		}
	}
}
