package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// scrape is what a process with all parts shows while neither database nor broker
// answers.
func scrape(t *testing.T) (*app, string) {
	t.Helper()
	a, _ := shut(t)
	a.config.Kafka.Brokers = []string{"127.0.0.1:1"}
	allRoutes(t, a)
	built, err := a.build(allParts)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := a.admin(built, allParts)
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
		`referral_settlement_failures_total 0`, `referral_settlement_parked_accounts_total 0`, `referral_settlement_spool_faults_total 0`,
		`referral_clock_jumps_total{direction="forward"} 0`, `referral_clock_jumps_total{direction="backward"} 0`,
		`referral_panics_total{component="scheduler"} 0`, `referral_panics_total{component="stats"} 0`,
		`referral_panics_total{component="publisher"} 0`, `referral_panics_total{component="notify"} 0`,
		`referral_panics_total{component="auth"} 0`, `referral_panics_total{component="portal"} 0`,
		`referral_publisher_errors_total{doing="ledger"} 0`, `referral_publisher_errors_total{doing="write"} 0`, `referral_publisher_errors_total{doing="streams"} 0`,
		`referral_publisher_published_total{topic="referral.events",type="referral.refused.v1"} 0`,
		`referral_publisher_published_total{topic="referral.dead-letters",type="dead-letter"} 0`,
		`referral_publisher_held_accounts{stream="documents"} 0`,
		`referral_notify_errors_total{doing="claiming invitations"} 0`, `referral_notify_abandoned_total{channel="sms"} 0`,
		`referral_notify_messages_total{channel="email",outcome="unknown",transport="kafka"} 0`,
		`referral_auth_turned_away_total{reason="storage"} 0`, `referral_auth_sign_ins_total{result="no account"} 0`,
		`referral_web_requests_total{route="GET /referral",status="5xx"} 0`, `referral_web_requests_total{route="none",status="gone"} 0`,
		`referral_portal_activations_total{outcome="limited"} 0`, `referral_portal_activations_total{outcome="own_company"} 0`,
		`referral_retention_deleted_rows_total{table="sessions"} 0`, `referral_retention_deleted_rows_total{table="invitations.recipient"} 0`,
		`referral_retention_failures_total{table="dead_letters"} 0`,
		`referral_portal_invitations_total{outcome="failed"} 0`, `referral_portal_invitations_total{outcome="opted_out"} 0`,
		`referral_ready{check="database"} 0`, `referral_ready{check="schema"} 0`, `referral_ready{check="broker"} 0`,
		`referral_ready{check="scheduler"} 1`, `referral_ready{check="publisher"} 0`, `referral_ready{check="notify"} 1`,
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
		"referral_stats_timestamp_seconds", "referral_last_successful_run_timestamp_seconds", "referral_settlement_last_success_timestamp_seconds",
		"referral_stale_marks", "referral_dead_letters", "referral_runs{", "referral_reconciliation_breaks",
		"referral_publisher_backlog", "referral_publisher_oldest_age_seconds", "referral_notify_queue", "referral_notify_oldest_age_seconds",
	} {
		if strings.Contains(body, "\n"+name) {
			t.Errorf("%s is there, although nothing is known of it", name)
		}
	}
}

// The metrics are named as Prometheus wants them (`promtool check metrics`).
func TestMetricsAreNamedWell(t *testing.T) {
	a, _ := scrape(t)
	problems, err := testutil.GatherAndLint(a.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The manual names no metric that is not there.
func TestTheManualNamesMetricsThatExist(t *testing.T) {
	a, _ := scrape(t)
	descriptions := make(chan *prometheus.Desc)
	go func() { defer close(descriptions); a.registry.Describe(descriptions) }()
	known := map[string]bool{}
	name := regexp.MustCompile(`fqName: "([a-z_]+)"`)
	for d := range descriptions {
		known[name.FindStringSubmatch(d.String())[1]] = true
	}
	named := regexp.MustCompile("`(?:referral_)?[a-z_]+_(?:total|seconds|messages|up)\\b|`referral_[a-z_]+").FindAllString(projectFile(t, "docs", "operations.md"), -1)
	if len(named) < 30 {
		t.Fatalf("only %d metrics found in the manual", len(named))
	}
	for _, n := range named {
		if n = strings.TrimPrefix(n, "`"); !known[n] {
			t.Errorf("the manual names %s", n)
		}
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
