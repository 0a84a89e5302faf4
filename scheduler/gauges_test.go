package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/models"
	"referral/scheduler"
)

// figureSource counts, or does what it is told to.
type figureSource struct {
	mu      sync.Mutex
	figures models.Stats
	fails   func() error
}

func (s *figureSource) Stats(context.Context) (models.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return models.Stats{}, s.fails()
	}
	return s.figures, nil
}

// set is what it says from now on.
func (s *figureSource) set(figures models.Stats, fails func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figures, s.fails = figures, fails
}

var watched = []string{
	"referral_programme_stats_timestamp_seconds", "referral_programme_stale_accounts", "referral_programme_last_successful_run_timestamp_seconds", "referral_programme_runs",
	"referral_programme_last_settled_month_end_timestamp_seconds", "referral_programme_reconciliation_breaks", "referral_programme_entitled_not_discounted_accounts", "referral_programme_entitled_not_discounted_kopecks",
	"referral_programme_discounted_not_entitled_kopecks", "referral_panics_total",
}

// Stats of a database that is away stay, and say how old they are; before the first
// reading there are none. Neither an error nor a panic ends the reading.
func TestFiguresSayWhenTheyWereRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		registry := prometheus.NewRegistry()
		source := &figureSource{fails: func() error { return errors.New("connection refused") }}
		g, err := scheduler.NewGauges(registry, source, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		shows := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if err := testutil.GatherAndCompare(registry, strings.NewReader(want), watched...); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		panics := func(n string) string {
			return "# HELP referral_panics_total Panics that were recovered, by component. What panicked is tried again.\n" +
				"# TYPE referral_panics_total counter\nreferral_panics_total{component=\"stats\"} " + n + "\n"
		}
		until(t, "2026-05-01 12:00")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { g.Follow(ctx, time.Minute); close(ended) }()
		shows("before the first reading", panics("0"))

		figures := models.Stats{Stale: 7, Breaks: map[models.Period]int64{202604: 2}, Lacking: map[models.Period]models.CountedAmount{202604: {Count: 3, Amount: 142000}}, Runs: map[models.RunState]int64{models.RunBraked: 1}}
		source.set(figures, nil)
		until(t, "2026-05-01 12:01")
		read := figuresRead + "referral_programme_stats_timestamp_seconds 1.77762606e+09\n"
		shows("once read", panics("0")+read)

		source.set(models.Stats{Stale: 8}, func() error { return errors.New("connection refused") })
		until(t, "2026-05-01 15:01")
		shows("three hours without a database", panics("0")+read)
		source.set(models.Stats{Stale: 8}, func() error { panic("rows without a result") })
		until(t, "2026-05-01 15:02")
		shows("after a panic", panics("1")+read)

		figures.LastSettled = 202604
		figures.LastSuccess = time.Date(2026, 5, 1, 0, 10, 0, 0, time.UTC)
		source.set(figures, nil)
		until(t, "2026-05-01 15:03")
		cancel()
		<-ended
		shows("read again", panics("1")+figuresRead+`referral_programme_stats_timestamp_seconds 1.77763698e+09
# HELP referral_programme_last_successful_run_timestamp_seconds When a run last ended without parked accounts, in any process.
# TYPE referral_programme_last_successful_run_timestamp_seconds gauge
referral_programme_last_successful_run_timestamp_seconds 1.7775942e+09
# HELP referral_programme_last_settled_month_end_timestamp_seconds The end, a midnight of UTC, of the newest month that a run has settled since it was over, with nothing parked.
# TYPE referral_programme_last_settled_month_end_timestamp_seconds gauge
referral_programme_last_settled_month_end_timestamp_seconds 1.7775936e+09
`)
		if !strings.Contains(log.String(), "connection refused") || !strings.Contains(log.String(), "gauges_test.go") {
			t.Errorf("logged: %s", log.String())
		}
	})
}

const figuresRead = `# HELP referral_programme_stale_accounts Accounts, counted once a period, that the nightly catch-up will settle again.
# TYPE referral_programme_stale_accounts gauge
referral_programme_stale_accounts 7
# HELP referral_programme_reconciliation_breaks Breaks that the last nightly reconciliation of the period found. Commands do not change it.
# TYPE referral_programme_reconciliation_breaks gauge
referral_programme_reconciliation_breaks{period="2026-04"} 2
# HELP referral_programme_entitled_not_discounted_accounts Accounts that got less discount in the period than their facts give, by the last nightly reconciliation.
# TYPE referral_programme_entitled_not_discounted_accounts gauge
referral_programme_entitled_not_discounted_accounts{period="2026-04"} 3
# HELP referral_programme_entitled_not_discounted_kopecks By how much these accounts got less discount, in kopecks.
# TYPE referral_programme_entitled_not_discounted_kopecks gauge
referral_programme_entitled_not_discounted_kopecks{period="2026-04"} 142000
# HELP referral_programme_runs Runs by state: rehearsing, posting, braked or incomplete.
# TYPE referral_programme_runs gauge
referral_programme_runs{state="braked"} 1
referral_programme_runs{state="incomplete"} 0
referral_programme_runs{state="posting"} 0
referral_programme_runs{state="rehearsing"} 0
# HELP referral_programme_stats_timestamp_seconds When the referral_programme metrics were last read from the database.
# TYPE referral_programme_stats_timestamp_seconds gauge
`

// A name that Prometheus cannot show is missing from the answer, and nothing else.
func TestAFigureThatCannotBeShown(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	source := &figureSource{figures: models.Stats{Held: map[string]int64{"a\xff": 1}, Stale: 3}}
	g, err := scheduler.NewGauges(registry, source, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Follow(ctx, time.Hour)
	families, err := registry.Gather()
	if err == nil {
		t.Error("a service that is no UTF-8 was shown")
	}
	for _, f := range families {
		if f.GetName() == "referral_programme_stale_accounts" && f.GetMetric()[0].GetGauge().GetValue() == 3 {
			return
		}
	}
	t.Error("what can be shown is not there")
}
