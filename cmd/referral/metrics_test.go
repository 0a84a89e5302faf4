package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape is what a process with all parts shows while neither database nor broker
// answers.
func scrape(t *testing.T) (*app, string) {
	t.Helper()
	a, _ := shut(t)
	a.config.Kafka.Brokers = []string{"127.0.0.1:1"}
	a.config.Cabinet.SignIn.Issuer, a.config.Cabinet.SignIn.ClientID, a.config.Cabinet.SignIn.ClientSecret = "http://127.0.0.1:1", "referral", "secret"
	allRoutes(t, a)
	if _, _, err := a.finance("127.0.0.1:8081"); err != nil {
		t.Fatal(err)
	}
	built, err := a.build(allComponents)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := a.admin(built, allComponents)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return a, answer.Body.String()
}

// Counters are there from the beginning, with all values of their labels, or an alarm
// on their growth would miss the first time; what is not known yet is not there.
func TestMetricsOfAProcessThatHasJustStarted(t *testing.T) {
	_, body := scrape(t)
	for _, line := range []string{
		`referral_settlement_amount_kopecks_total{kind="discount"} 0`, `referral_settlement_amount_kopecks_total{kind="reversal"} 0`,
		`referral_settlement_runs_total{kind="regular",state="braked"} 0`, `referral_settlement_runs_total{kind="full",state="incomplete"} 0`,
		`referral_settlement_runs_total{kind="differences",state="done"} 0`, `referral_settlement_run_duration_seconds_count{kind="regular"} 0`,
		`referral_scheduler_errors_total 0`, `referral_settlement_parked_accounts_total 0`, `referral_settlement_rehearsal_cache_errors_total 0`,
		`referral_scheduler_clock_jumps_total{direction="forward"} 0`, `referral_scheduler_clock_jumps_total{direction="backward"} 0`,
		`referral_panics_total{component="scheduler"} 0`, `referral_panics_total{component="stats"} 0`,
		`referral_panics_total{component="publisher"} 0`, `referral_panics_total{component="notify"} 0`,
		`referral_panics_total{component="auth"} 0`, `referral_panics_total{component="portal"} 0`,
		`referral_publisher_errors_total{operation="ledger"} 0`, `referral_publisher_errors_total{operation="write"} 0`, `referral_publisher_errors_total{operation="streams"} 0`,
		`referral_publisher_published_messages_total{topic="referral.events",type="referral.refused.v1"} 0`,
		`referral_publisher_published_messages_total{topic="referral.dead-letters",type="dead-letter"} 0`,
		`referral_publisher_held_accounts{stream="documents"} 0`,
		`referral_notify_errors_total{operation="claiming invitations"} 0`, `referral_notify_abandoned_invitations_total{channel="sms"} 0`,
		`referral_notify_send_attempts_total{channel="email",outcome="unknown",transport="kafka"} 0`,
		`referral_auth_rejected_requests_total{reason="storage",site="portal"} 0`, `referral_auth_sign_ins_total{result="no_account",site="portal"} 0`,
		`referral_web_requests_total{route="GET /referral",site="portal",status="5xx"} 0`, `referral_web_requests_total{route="none",site="portal",status="client_closed"} 0`,
		`referral_portal_activations_total{outcome="throttled"} 0`, `referral_portal_activations_total{outcome="own_company"} 0`,
		`referral_retention_deleted_rows_total{table="sessions"} 0`, `referral_retention_deleted_rows_total{table="invitations.recipient"} 0`,
		`referral_retention_errors_total{table="dead_letters"} 0`,
		`referral_portal_invitations_total{outcome="failed"} 0`, `referral_portal_invitations_total{outcome="opted_out"} 0`,
		`referral_readiness_up{check="database"} 0`, `referral_readiness_up{check="schema"} 0`, `referral_readiness_up{check="broker"} 0`,
		`referral_readiness_up{check="scheduler"} 1`, `referral_readiness_up{check="publisher"} 0`, `referral_readiness_up{check="notify"} 1`,
		`go_sql_max_open_connections{db_name="referral"} 10`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("there is no %s", line)
		}
	}
	for _, name := range []string{"referral_build_info", "go_goroutines", "process_start_time_seconds", "go_sql_wait_count_total"} {
		if !strings.Contains(body, "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
	for _, name := range []string{
		"referral_programme_stats_timestamp_seconds", "referral_programme_last_successful_run_timestamp_seconds", "referral_settlement_last_success_timestamp_seconds",
		"referral_programme_stale_accounts", "referral_programme_dead_letters", "referral_programme_runs{", "referral_programme_reconciliation_breaks",
		"referral_publisher_backlog_messages", "referral_publisher_backlog_oldest_age_seconds", "referral_notify_queue_invitations", "referral_notify_queue_oldest_age_seconds",
	} {
		if strings.Contains(body, "\n"+name) {
			t.Errorf("%s is there, although nothing is known of it", name)
		}
	}
}

// metricRow is a row of the table of metrics in docs/operations.md.
type metricRow struct{ kind, labels, meaning, action string }

func metricsInTheManual(t *testing.T) map[string]metricRow {
	t.Helper()
	rows := map[string]metricRow{}
	for line := range strings.Lines(projectFile(t, "docs", "operations.md")) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if name, found := strings.CutPrefix(cells[0], "`referral_"); found && len(cells) == 5 {
			rows["referral_"+strings.TrimSuffix(name, "`")] = metricRow{cells[1], strings.TrimSpace(cells[2]), cells[3], cells[4]}
		}
	}
	return rows
}

// registeredMetrics is every metric of the program, those without a value yet included.
func registeredMetrics(t *testing.T, a *app) map[string]metricRow {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() { defer close(descriptions); a.registry.Describe(descriptions) }()
	parts := regexp.MustCompile(`^Desc{fqName: "(referral_.*)", help: "(.*)", unit: "", constLabels: {(.*)}, variableLabels: {(.*)}}$`)
	all := map[string]metricRow{}
	for d := range descriptions {
		if found := parts.FindStringSubmatch(d.String()); found != nil {
			labels := regexp.MustCompile(`="[^"]*"`).ReplaceAllString(found[3]+","+found[4], "")
			names := strings.FieldsFunc(labels, func(c rune) bool { return c == ',' })
			slices.Sort(names)
			all[found[1]] = metricRow{labels: strings.Join(names, ", "), meaning: found[2]}
		}
	}
	return all
}

// The manual has every metric, and no other, with its labels and its help text.
func TestTheManualHasEveryMetric(t *testing.T) {
	a, _ := scrape(t)
	manual, registered := metricsInTheManual(t), registeredMetrics(t, a)
	for name, want := range registered {
		if row := manual[name]; row.labels != want.labels || row.meaning != want.meaning || row.action == "" {
			t.Errorf("docs/operations.md has %+v for %s, want %+v", row, name, want)
		}
	}
	for name := range manual {
		if _, ok := registered[name]; !ok {
			t.Errorf("docs/operations.md has %s, which does not exist", name)
		}
	}
	for _, name := range regexp.MustCompile("referral_[a-z_]+[a-z]").FindAllString(projectFile(t, "docs", "operations.md"), -1) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(registered)), func(known string) bool { return strings.HasPrefix(known, name) }) {
			t.Errorf("docs/operations.md names %s, which does not exist", name)
		}
	}
}

// What /metrics shows is what `promtool check metrics` accepts. A metric without a
// value yet is checked with the type that the manual gives it.
func TestMetricsFollowTheConventions(t *testing.T) {
	a, body := scrape(t)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range metricsInTheManual(t) {
		kind := dto.MetricType(dto.MetricType_value[strings.ToUpper(row.kind)])
		if family, shown := families[name]; !shown {
			families[name] = &dto.MetricFamily{Name: &name, Help: &row.meaning, Type: &kind}
		} else if family.GetType() != kind {
			t.Errorf("docs/operations.md says that %s is a %s", name, row.kind)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(slices.Collect(maps.Values(families))).Lint()
	if err != nil || len(families) < len(registeredMetrics(t, a)) {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// A reader of a report finds in the manual what its breaks and notices mean.
func TestTheManualExplainsEveryKind(t *testing.T) {
	_, table, _ := strings.Cut(projectFile(t, "docs", "operations.md"), "### What does not tie, by name")
	table, _, _ = strings.Cut(table, "\n### ")
	kinds := regexp.MustCompile(`(?:Break|Notice)Kind += "([a-z-]+)"`).FindAllStringSubmatch(projectFile(t, "billing", "reconcile.go"), -1)
	if len(kinds) < 20 {
		t.Fatalf("only %d kinds found", len(kinds))
	}
	for _, kind := range kinds {
		if !strings.Contains(table, "`"+kind[1]+"`") {
			t.Errorf("the manual does not explain %s", kind[1])
		}
	}
}

func projectFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
