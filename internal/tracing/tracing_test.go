package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"referral/internal/tracing"
	"referral/models"
	"referral/test/collector"
)

const (
	producer = "4bf92f3577b34da6a3ce929d0e0e4736"
	another  = "0af7651916cd43dd8448eb211c80319c"
	ignored  = "11111111111111111111111111111111" // its producer does not record it
)

func recorded(trace string) tracing.Context {
	return tracing.Context("00-" + trace + "-00f067aa0ba902b7-01")
}

// rig is a provider that exports to a collector.
type rig struct {
	*tracing.Provider
	ctx       context.Context
	collector *collector.Collector
	registry  *prometheus.Registry
	log       *bytes.Buffer
}

func newRig(t *testing.T, options func(*tracing.Options)) *rig {
	t.Helper()
	r := &rig{collector: &collector.Collector{}, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	server := httptest.NewTLSServer(r.collector)
	t.Cleanup(server.Close)
	o := tracing.Options{
		Endpoint: server.URL, Sampling: 1, Transport: server.Client().Transport, Headers: func() map[string]string { return map[string]string{"Authorization": "Bearer x"} },
		Version: "1.2.3", Instance: "one", Log: slog.New(slog.NewJSONHandler(r.log, nil)), Registerer: r.registry,
	}
	if options != nil {
		options(&o)
	}
	var err error
	if r.Provider, err = tracing.New(o); err != nil {
		t.Fatal(err)
	}
	r.ctx = r.Context(t.Context())
	return r
}

// exported closes the provider and gives its spans by name.
func (r *rig) exported() map[string]collector.Span {
	r.Close()
	spans := map[string]collector.Span{}
	for _, s := range r.collector.Spans() {
		spans[s.Name] = s
	}
	return spans
}

func (r *rig) count(t *testing.T, outcome string) int {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[0].Metric {
		if m.Label[0].GetValue() == outcome {
			return int(m.Counter.GetValue())
		}
	}
	t.Fatalf("no outcome %s", outcome)
	return 0
}

// A process that does not trace pays nothing, however it calls this package.
func TestNothingIsAllocatedWhenItIsOff(t *testing.T) {
	off, err := tracing.New(tracing.Options{Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := off.Context(t.Context())
	log := slog.New(tracing.LogHandler(slog.DiscardHandler))
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x"})
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	request.Header.Set("Traceparent", string(recorded(producer)))
	allocations := testing.AllocsPerRun(100, func() {
		ctx, span := tracing.Start(ctx, tracing.Server, "work", tracing.OfRequest(request))
		span.Number("n", 1)
		tracing.Observe(ctx, histogram, 1)
		log.InfoContext(ctx, "done")
		if tracing.On(ctx) || span.On() || tracing.Current(ctx) != "" || tracing.Headers(ctx) != nil || span.In(ctx) != ctx || tracing.Inherit(ctx, ctx) != ctx {
			t.Error("it is on")
		}
		span.End(nil)
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	off.Close()
}

func TestSpansAreExported(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	single, span := tracing.Start(r.ctx, tracing.Consumer, "a message", recorded(producer)+" vendor=a")
	message := models.Message{Headers: tracing.Headers(single)}
	if parent, state := string(message.Header("traceparent")), string(message.Header("tracestate")); !strings.HasPrefix(parent, "00-"+producer) || state != "vendor=a" {
		t.Errorf("passed on as %q, %q", parent, state)
	}
	if tracing.OfMessage(&message) != tracing.Current(single) {
		t.Errorf("passed on as %s, and read as %s", tracing.Current(single), tracing.OfMessage(&message))
	}
	_, within := tracing.Start(single, tracing.Client, "a statement")
	within.Text("db.system.name", "postgresql")
	within.End(fmt.Errorf("inserting Иван: %w", &pgconn.PgError{Code: "23505", Message: "Иван"}))
	span.End(nil)

	_, batch := tracing.Start(r.ctx, tracing.Consumer, "a batch", recorded(producer), recorded(another), recorded(another), tracing.Context("00-"+ignored+"-00f067aa0ba902b7-00"))
	batch.Number("messages", 4)
	batch.End(nil)
	_, request := tracing.Start(r.ctx, tracing.Server, "a request", recorded(producer))
	request.Fail("503")
	if ctx, alone := tracing.Start(r.ctx, tracing.Client, "a poll"); alone.On() || tracing.Current(ctx) != "" {
		t.Error("a statement began a trace")
	}

	spans := r.exported()
	first, statement := spans["a message"], spans["a statement"]
	if first.Trace != producer || first.Parent != "00f067aa0ba902b7" || first.Kind != "SPAN_KIND_CONSUMER" || first.Failed || first.Attributes["service.version"] != "1.2.3" {
		t.Errorf("%+v", first)
	}
	if statement.Trace != producer || statement.Parent != first.ID || !statement.Failed || statement.Attributes["error.type"] != "23505" {
		t.Errorf("%+v", statement)
	}
	if b := spans["a batch"]; b.Trace == producer || b.Parent != "" || !slices.Equal(b.Links, []string{producer, another}) || b.Attributes["messages"] != "4" {
		t.Errorf("%+v", b)
	}
	if q := spans["a request"]; q.Trace == producer || !slices.Equal(q.Links, []string{producer}) || !q.Failed {
		t.Errorf("%+v", q)
	}
	if len(spans) != 4 || r.count(t, "exported") != 4 {
		t.Errorf("%d spans, %d counted", len(spans), r.count(t, "exported"))
	}
	if text := fmt.Sprint(spans); strings.Contains(text, "Иван") {
		t.Errorf("personal data: %s", text)
	}
	if h := r.collector.Headers(); len(h) == 0 || h[0].Get("Authorization") != "Bearer x" {
		t.Errorf("headers: %v", h)
	}
}

// Where a producer has decided that a trace is recorded, it is; a stranger's request cannot
// decide that.
func TestSampling(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *tracing.Options) { o.Sampling = 0 })
	for name, start := range map[string]func() (context.Context, tracing.Span){
		"work": func() (context.Context, tracing.Span) { return tracing.Start(r.ctx, tracing.Internal, "work") },
		"a request": func() (context.Context, tracing.Span) {
			return tracing.Start(r.ctx, tracing.Server, "a request", recorded(producer))
		},
		"a message": func() (context.Context, tracing.Span) {
			return tracing.Start(r.ctx, tracing.Consumer, "a message", recorded(producer))
		},
		"a batch": func() (context.Context, tracing.Span) {
			return tracing.Start(r.ctx, tracing.Consumer, "a batch", recorded(producer), "")
		},
		"unrecorded": func() (context.Context, tracing.Span) {
			return tracing.Start(r.ctx, tracing.Consumer, "unrecorded", "", "")
		},
	} {
		ctx, span := start()
		if tracing.Current(ctx) == "" {
			t.Errorf("%s has no trace to pass on", name)
		}
		span.End(nil)
	}
	spans := r.exported()
	if len(spans) != 2 || spans["a message"].Trace != producer || spans["a batch"].Name == "" {
		t.Errorf("%+v", spans)
	}
}

func TestUnusableHeaders(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-" + producer + "-00f067aa0ba902b7-01\x00", strings.Repeat("0", 1<<20)} {
		m := models.Message{Headers: []models.Header{{Key: "traceparent", Value: []byte(parent)}, {Key: "tracestate", Value: []byte("\x00\xff")}}}
		if got := tracing.OfMessage(&m); got != "" {
			t.Errorf("%.60q is read as %q", parent, got)
		}
	}
	m := models.Message{Headers: []models.Header{{Key: "traceparent", Value: []byte(recorded(producer))}, {Key: "tracestate", Value: []byte("\x00\xff")}}}
	if got := tracing.OfMessage(&m); got != recorded(producer) {
		t.Errorf("an unusable tracestate: %q", got)
	}
}

// A collector that does not answer costs spans, a counter and a few lines of the log.
func TestACollectorThatIsDown(t *testing.T) {
	t.Parallel()
	down := newRig(t, func(o *tracing.Options) { o.Endpoint = "http://127.0.0.1:1" })
	const spans = 5000
	for range spans {
		_, span := tracing.Start(down.ctx, tracing.Internal, "work")
		span.End(nil)
	}
	down.Close()
	failed, dropped := down.count(t, "failed"), down.count(t, "dropped")
	if failed == 0 || failed+dropped != spans || down.count(t, "exported") != 0 {
		t.Errorf("%d failed, %d dropped", failed, dropped)
	}
	if lines := strings.Count(down.log.String(), "\n"); lines == 0 || lines > 5 || !strings.Contains(down.log.String(), "exporting traces fails") {
		t.Errorf("logged:\n%s", down.log)
	}

	answer := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answer }))
	defer silent.Close()
	defer close(answer)
	slow := newRig(t, func(o *tracing.Options) { o.Endpoint = silent.URL })
	for range spans {
		_, span := tracing.Start(slow.ctx, tracing.Internal, "work")
		span.End(nil)
	}
	slow.Close()
	if dropped := slow.count(t, "dropped"); dropped == 0 {
		t.Error("all spans wait, however many")
	}
}

func TestTheLogAndHistogramsNameTheTrace(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var text bytes.Buffer
	log := slog.New(tracing.LogHandler(slog.NewJSONHandler(&text, nil))).With("component", "test")
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "referral_work_duration_seconds", Help: "x", Buckets: []float64{1}})
	r.registry.MustRegister(histogram)
	log.InfoContext(r.ctx, "without")
	ctx, span := tracing.Start(r.ctx, tracing.Consumer, "work", recorded(producer))
	log.ErrorContext(ctx, "within", "error", errors.New("x"))
	tracing.Observe(ctx, histogram, 0.5)
	span.End(nil)
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "trace_id") || !strings.Contains(lines[1], `"component":"test"`) || !strings.Contains(lines[1], `"trace_id":"`+producer+`"`) {
		t.Errorf("logged:\n%s", text.String())
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(answer, request)
	if want := `referral_work_duration_seconds_bucket{le="1.0"} 1 # {trace_id="` + producer + `"} 0.5`; !strings.Contains(answer.Body.String(), want) {
		t.Errorf("no %s in\n%s", want, answer.Body)
	}
	if problems, err := testutil.GatherAndLint(r.registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
