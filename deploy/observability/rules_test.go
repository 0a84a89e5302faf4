package observability

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"referral/internal/toolcache"
	"referral/test/toolchain"
)

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// rule is a recording rule or an alert.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, file := range files(t, "rules/*.yaml") {
		var content struct {
			Groups []struct{ Rules []rule }
		}
		readYAML(t, file, &content)
		for _, g := range content.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := toolchain.Prometheus(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := toolcache.Run(tool.Command(t.Context(), "promtool", args...)); err != nil {
		t.Error(err)
	}
}

// Prometheus takes the rules, and each alert is quiet, fires and clears as its unit
// test says.
func TestRules(t *testing.T) {
	t.Parallel()
	promtool(t, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files(t, "rules/*.yaml")...)...)
	for _, file := range files(t, "tests/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) { t.Parallel(); promtool(t, "test", "rules", file) })
	}
}

// Every alert has a unit test in which it is quiet, fires, and is quiet again.
func TestEveryAlertHasATest(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, file := range files(t, "tests/*.yaml") {
		var content struct {
			Tests []struct {
				Name    string
				Queries []struct {
					Expr    string
					Samples []any `yaml:"exp_samples"`
				} `yaml:"promql_expr_test"`
			}
		}
		readYAML(t, file, &content)
		for _, test := range content.Tests {
			q := test.Queries
			if len(q) != 3 || len(q[0].Samples) != 0 || len(q[1].Samples) != 1 || len(q[2].Samples) != 0 || !strings.Contains(q[0].Expr, `"`+test.Name+`"`) || q[0].Expr != q[1].Expr || q[0].Expr != q[2].Expr {
				t.Errorf("%s: the test of %s does not ask three times whether the alert fires: no, yes, no", file, test.Name)
			}
			tested[test.Name] = true
		}
	}
	same(t, "alerts in rules", alerts(t), "those with a test", slices.Sorted(maps.Keys(tested)))
}

// alerts is their names.
func alerts(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert != "" {
			names[r.Alert] = true
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d alerts are found", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

func same(t *testing.T, what string, a []string, other string, b []string) {
	t.Helper()
	for _, name := range a {
		if !slices.Contains(b, name) {
			t.Errorf("%s is among the %s and not among %s", name, what, other)
		}
	}
	for _, name := range b {
		if !slices.Contains(a, name) {
			t.Errorf("%s is among %s and not among the %s", name, other, what)
		}
	}
}

// An alert says how urgent it is, what is wrong, and where it is said what to do.
func TestEveryAlertHasASectionOfTheRunbook(t *testing.T) {
	t.Parallel()
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, severity)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what is wrong", r.Alert)
		}
		if got, want := r.Annotations["runbook_url"], "docs/runbook.md#"+strings.ToLower(r.Alert); got != want {
			t.Errorf("%s has the runbook %q, want %q", r.Alert, got, want)
		}
	}
	var headings []string
	for _, part := range strings.Split(read(t, "../../docs/runbook.md"), "\n## ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		headings = append(headings, name)
		at := -1
		for _, heading := range []string{"Meaning", "Impact", "Look", "Do", "Verify"} {
			next := strings.Index(text, "\n**"+heading+".** ")
			if next <= at {
				t.Errorf("docs/runbook.md, %s: %s is missing, or not in its place", name, heading)
			}
			at = next
		}
	}
	same(t, "alerts in rules", alerts(t), "sections of docs/runbook.md", headings)
}

var (
	metric   = regexp.MustCompile(`\b(?:referral|go|process|promhttp)_[a-z0-9_]*[a-z0-9]\b`)
	anchor   = regexp.MustCompile(`\]\(([\w.]*)#([\w-]+)\)`)
	headline = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// documented is the metrics of the manual, which a test of cmd/referral holds to those
// that the program has.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(referral_[a-z_]+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../../docs/operations.md"), -1) {
		names[row[1]] = true
		if row[2] == "histogram" {
			names[row[1]+"_bucket"], names[row[1]+"_count"], names[row[1]+"_sum"] = true, true, true
		}
	}
	if len(names) < 50 {
		t.Fatalf("only %d metrics are found in docs/operations.md", len(names))
	}
	return names
}

// foreign is metrics of the libraries that are named here.
var foreign = []string{"go_sql_wait_duration_seconds_total", "process_start_time_seconds"}

func TestRulesNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := documented(t)
	for _, r := range rules(t) {
		for _, name := range metric.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(r.Expr, ""), -1) {
			if !known[name] && !slices.Contains(foreign, name) {
				t.Errorf("%s%s uses %s, which the program does not have", r.Alert, r.Record, name)
			}
		}
	}
}

// The runbook may name the beginning of a metric, as for grep; its links lead to
// headings that exist.
func TestTheRunbookNamesWhatExists(t *testing.T) {
	t.Parallel()
	known := slices.Collect(maps.Keys(documented(t)))
	text := read(t, "../../docs/runbook.md")
	for _, name := range metric.FindAllString(text, -1) {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, name) }) && !slices.Contains(foreign, name) {
			t.Errorf("docs/runbook.md names %s, which the program does not have", name)
		}
	}
	for _, part := range regexp.MustCompile("metrics \\| grep ([a-z_]+)`").FindAllStringSubmatch(text, -1) {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.Contains(k, part[1]) }) {
			t.Errorf("docs/runbook.md looks for %s, which no metric has in its name", part[1])
		}
	}
	for _, link := range anchor.FindAllStringSubmatch(text, -1) {
		name := link[1]
		if name == "" {
			name = "runbook.md"
		}
		if !slices.ContainsFunc(headline.FindAllStringSubmatch(read(t, "../../docs/"+name), -1), func(h []string) bool {
			return strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(h[1], ",", "")), " ", "-") == link[2]
		}) {
			t.Errorf("docs/runbook.md links to %s#%s, which is not there", name, link[2])
		}
	}
}
