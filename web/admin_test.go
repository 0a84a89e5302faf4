package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type checks = map[string]func(context.Context) error

// admin is the handler under test with everything it needs, and what it logs.
func admin(t *testing.T, c checks, more ...prometheus.Collector) (http.Handler, *strings.Builder) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(more...)
	var log strings.Builder
	handler, err := NewAdmin(Options{
		Gatherer: registry, Registerer: registry, Checks: c,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler, &log
}

func get(t *testing.T, handler http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func fine(context.Context) error { return nil }

func failing(text string) func(context.Context) error {
	return func(context.Context) error { return errors.New(text) }
}

func TestReadiness(t *testing.T) {
	for _, tc := range []struct {
		name   string
		checks checks
		status int
		text   string
		json   Readiness
	}{
		{
			"nothing to check", nil, 200, "ready\n", Readiness{true, []CheckResult{}},
		},
		{
			"all answer", checks{"database": fine, "broker": fine}, 200,
			"ready\nbroker: ok\ndatabase: ok\n",
			Readiness{true, []CheckResult{{Name: "broker", Ready: true}, {Name: "database", Ready: true}}},
		},
		{
			"one does not", checks{"database": failing("connection refused"), "broker": fine}, 503,
			"not ready\nbroker: ok\ndatabase: connection refused\n",
			Readiness{false, []CheckResult{{Name: "broker", Ready: true}, {Name: "database", Ready: false, Error: "connection refused"}}},
		},
		{
			"one panics", checks{"schema": func(context.Context) error { panic("nil map") }}, 503,
			"not ready\nschema: the check panicked: nil map\n",
			Readiness{false, []CheckResult{{Name: "schema", Ready: false, Error: "the check panicked: nil map"}}},
		},
		{
			"an error with a password in it", checks{"database": failing("dial postgres://u:geheim@h/d\n refused")}, 503,
			"not ready\ndatabase: dial postgres://xxxxx@h/d refused\n",
			Readiness{false, []CheckResult{{Name: "database", Ready: false, Error: "dial postgres://xxxxx@h/d refused"}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			handler, _ := admin(t, tc.checks)
			text := get(t, handler, "/readyz")
			if text.Code != tc.status || text.Body.String() != tc.text {
				t.Errorf("text: got %d %q, want %d %q", text.Code, text.Body, tc.status, tc.text)
			}
			for _, answer := range []*httptest.ResponseRecorder{
				get(t, handler, "/readyz", "Accept", "application/json"),
				get(t, handler, "/readyz?format=json"),
			} {
				var got Readiness
				if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if answer.Code != tc.status || !reflect.DeepEqual(got, tc.json) {
					t.Errorf("json: got %d %+v, want %d %+v", answer.Code, got, tc.status, tc.json)
				}
			}
		})
	}
}

// What is shown only does not count.
func TestAdvisoryChecks(t *testing.T) {
	registry := prometheus.NewRegistry()
	handler, err := NewAdmin(Options{
		Gatherer: registry, Registerer: registry, Log: slog.New(slog.DiscardHandler),
		Checks: checks{"database": fine}, Advisory: checks{"notify": failing("no mail server"), "other": fine},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = "ready\ndatabase: ok\nnotify: (the rest works) no mail server\nother: ok\n"
	if text := get(t, handler, "/readyz"); text.Code != 200 || text.Body.String() != want {
		t.Errorf("got %d %q, want %q", text.Code, text.Body, want)
	}
	var got Readiness
	if err := json.Unmarshal(get(t, handler, "/readyz?format=json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Ready || got.Checks[1] != (CheckResult{Name: "notify", Advisory: true, Error: "no mail server"}) {
		t.Errorf("got %+v", got)
	}
}

// A check that never answers makes the process not ready, and is not started
// again while it hangs.
func TestACheckThatHangs(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	started := 0
	hangs := func(context.Context) error {
		started++
		<-release
		close(ended)
		return nil
	}
	registry := prometheus.NewRegistry()
	handler, err := NewAdmin(Options{
		Gatherer: registry, Registerer: registry, Log: slog.New(slog.DiscardHandler),
		Checks: checks{"broker": hangs}, CheckTimeout: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if answer := get(t, handler, "/readyz"); answer.Code != 503 || !strings.Contains(answer.Body.String(), "broker: ") {
			t.Errorf("got %d %s", answer.Code, answer.Body)
		}
	}
	close(release)
	<-ended
	if started != 1 {
		t.Errorf("started %d times", started)
	}
}

func TestOnlyChangesAreLogged(t *testing.T) {
	var failure error
	handler, log := admin(t, checks{"database": func(context.Context) error { return failure }})
	for _, state := range []error{nil, nil, errors.New("gone"), errors.New("gone"), nil, nil} {
		failure = state
		get(t, handler, "/readyz")
	}
	if strings.Count(log.String(), "\n") != 2 || strings.Count(log.String(), "not ready") != 1 || strings.Count(log.String(), "ready again") != 1 {
		t.Errorf("logged:\n%s", log)
	}
}

// The process lives even when nothing else does.
func TestHealth(t *testing.T) {
	handler, _ := admin(t, checks{"database": failing("gone")})
	if answer := get(t, handler, "/healthz"); answer.Code != 200 || answer.Body.String() != "ok\n" {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
}

func TestMetrics(t *testing.T) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "referral_things_total", Help: "Things."})
	counter.Add(3)
	handler, _ := admin(t, nil, counter)
	if answer := get(t, handler, "/metrics"); answer.Code != 200 || !strings.Contains(answer.Body.String(), "referral_things_total 3") {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
}

// One broken collector leaves the other figures visible, and is logged and
// counted.
func TestABrokenCollector(t *testing.T) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "referral_things_total", Help: "Things."})
	handler, log := admin(t, nil, counter, broken{})
	get(t, handler, "/metrics")
	answer := get(t, handler, "/metrics")
	body := answer.Body.String()
	if answer.Code != 200 || !strings.Contains(body, "referral_things_total 0") {
		t.Errorf("got %d %s", answer.Code, body)
	}
	if !strings.Contains(body, `promhttp_metric_handler_errors_total{cause="gathering"} 1`) {
		t.Errorf("the failure is not counted: %s", body)
	}
	if !strings.Contains(log.String(), "some metrics could not be served") || strings.Contains(log.String(), "geheim") {
		t.Errorf("logged %s", log)
	}
}

type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("referral_broken", "Broken.", nil, nil), errors.New("password=geheim refused"))
}

func TestOtherPathsAndMethods(t *testing.T) {
	handler, _ := admin(t, nil)
	if answer := get(t, handler, "/debug"); answer.Code != http.StatusNotFound {
		t.Errorf("got %d", answer.Code)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/readyz", http.NoBody))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d", recorder.Code)
	}
}

func TestOptions(t *testing.T) {
	whole := func() Options {
		registry := prometheus.NewRegistry()
		return Options{Gatherer: registry, Registerer: registry, Log: slog.New(slog.DiscardHandler)}
	}
	for want, spoil := range map[string]func(*Options){
		"Gatherer":   func(o *Options) { o.Gatherer = nil },
		"Registerer": func(o *Options) { o.Registerer = nil },
		"Log":        func(o *Options) { o.Log = nil },
		"timeout":    func(o *Options) { o.CheckTimeout = -1 },
		`"broker"`:   func(o *Options) { o.Checks = checks{"broker": nil} },
	} {
		o := whole()
		spoil(&o)
		if _, err := NewAdmin(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"failed to connect to `user=u database=d`:\n\trefused": "failed to connect to `user=u database=d`: refused",
		"postgres://u:p@ss/w@h:5432/d: no":                     "postgres://xxxxx@h:5432/d: no",
		"host=h password=geheim user=u":                        "host=h password=xxxxx user=u",
		`host=h password='ge h\'eim' user=u`:                   "host=h password=xxxxx user=u",
		`{"password": "geheim", "a": 1}`:                       `{"password": xxxxx, "a": 1}`,
		"sslpassword=geheim&a=b":                               "sslpassword=xxxxx&a=b",
		strings.Repeat("я", 400):                               strings.Repeat("я", 250) + "…",
	} {
		if got := redact(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// The checks of /readyz are metrics, made at each scrape.
func TestReadinessAsMetrics(t *testing.T) {
	database := errors.New("connection refused")
	registry := prometheus.NewRegistry()
	handler, err := NewAdmin(Options{
		Gatherer: registry, Registerer: registry, Log: slog.New(slog.DiscardHandler),
		Checks:   checks{"database": func(context.Context) error { return database }, "broker": fine},
		Advisory: checks{"notify": failing("no mail server")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0", "1"} {
		body := get(t, handler, "/metrics").Body.String()
		for _, line := range []string{`referral_readiness_up{check="broker"} 1`, `referral_readiness_up{check="notify"} 0`, `referral_readiness_up{check="database"} ` + want} {
			if !strings.Contains(body, line+"\n") {
				t.Errorf("%s is not in\n%s", line, body)
			}
		}
		database = nil
	}
	o := Options{Gatherer: registry, Registerer: registry, Log: slog.New(slog.DiscardHandler)}
	if _, err := NewAdmin(o); err == nil {
		t.Error("two admin addresses on one registry are accepted")
	}
}

// A scraper that asks for OpenMetrics gets it.
func TestOpenMetrics(t *testing.T) {
	handler, _ := admin(t, nil)
	answer := get(t, handler, "/metrics", "Accept", "application/openmetrics-text; version=1.0.0")
	if kind := answer.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(answer.Body.String(), "# EOF\n") {
		t.Errorf("got %s:\n%s", kind, answer.Body)
	}
	if kind := get(t, handler, "/metrics").Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("without asking: %s", kind)
	}
}
