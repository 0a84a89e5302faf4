package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"referral/internal/health"
)

// Options says where spans are sent.
type Options struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, http://host:4318; spans
	// go to /v1/traces unless it has another path. Without it tracing is off.
	Endpoint   string
	Sampling   float64                  // share of the traces that begin here and are recorded, 0 to 1
	Headers    func() map[string]string // of the requests at the moment; nil for none
	Transport  http.RoundTripper        // sends the requests; nil for what the system says
	Version    string                   // of the program
	Instance   string                   // of the process among all
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

const (
	queueSize     = 4096 // spans that wait to be sent; further ones are dropped
	requestSize   = 512  // spans in one request
	exportEvery   = 2 * time.Second
	exportTimeout = 5 * time.Second
	closeTimeout  = 2 * time.Second
)

// Provider is the source of the spans of a process.
type Provider struct {
	tracer trace.Tracer // nil when tracing is off
	sdk    *sdk.TracerProvider
}

// New makes a provider and connects to nothing yet. That a collector is unavailable is
// logged and counted, and neither delays nor ends any other work.
func New(o Options) (*Provider, error) {
	spans := promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
		Namespace: "referral", Subsystem: "tracing", Name: "spans_total",
		Help: "Spans of traces, by outcome: exported, failed (the collector did not take them) or dropped (too many waited).",
	}, []string{"outcome"})
	q := &queue{exported: spans.WithLabelValues("exported"), failed: spans.WithLabelValues("failed"), dropped: spans.WithLabelValues("dropped")}
	if o.Endpoint == "" {
		return &Provider{}, nil
	}
	exporter, err := newExporter(&o)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	q.SpanExporter = exporter
	q.health = health.New(health.Options{Log: o.Log, Failing: "exporting traces fails; they are lost, and all else goes on", Recovered: "traces are exported again"})
	q.SpanProcessor = sdk.NewBatchSpanProcessor(exportedBy{q}, sdk.WithMaxQueueSize(queueSize), sdk.WithMaxExportBatchSize(requestSize),
		sdk.WithBatchTimeout(exportEvery), sdk.WithExportTimeout(exportTimeout))
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(q), sdk.WithSampler(sdk.ParentBased(rootSampler{sdk.TraceIDRatioBased(o.Sampling)})),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "referral"), attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Instance))),
	)
	return &Provider{tracer: provider.Tracer("referral"), sdk: provider}, nil
}

func newExporter(o *Options) (sdk.SpanExporter, error) {
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, err
	}
	path := endpoint.Path
	if path == "" || path == "/" {
		path = "/v1/traces"
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(endpoint.Host), otlptracehttp.WithURLPath(path),
		otlptracehttp.WithHTTPClient(&http.Client{Timeout: exportTimeout, Transport: transport{cmp.Or(o.Transport, http.DefaultTransport), o.Headers}}),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
	}
	if endpoint.Scheme == "http" {
		options = append(options, otlptracehttp.WithInsecure())
	}
	return otlptracehttp.New(context.Background(), options...)
}

// transport adds headers to requests.
type transport struct {
	next    http.RoundTripper
	headers func() map[string]string
}

// RoundTrip sends a request with the headers of its time.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.headers == nil {
		return t.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	for name, value := range t.headers() {
		r.Header.Set(name, value)
	}
	return t.next.RoundTrip(r)
}

// Context is ctx with the tracer, for all work that is done in it.
func (p *Provider) Context(ctx context.Context) context.Context {
	if p.tracer == nil {
		return ctx
	}
	return context.WithValue(ctx, tracerKey{}, p.tracer)
}

// Close exports what waits, for at most two seconds.
func (p *Provider) Close() {
	if p.sdk == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = p.sdk.Shutdown(ctx) // what could not be exported has been counted
}

// rootSampler records a batch of messages if one of them is recorded by its producer, and
// of all else a share.
type rootSampler struct{ sdk.Sampler }

// ShouldSample decides on a trace that begins here.
func (s rootSampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if p.Kind == trace.SpanKindConsumer && len(p.Links) > 0 { // links are recorded ones only
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return s.Sampler.ShouldSample(p)
}

// queue counts what becomes of spans before the processor of the SDK, which would drop
// them without a word, and behind it.
type queue struct {
	sdk.SpanProcessor
	sdk.SpanExporter
	waiting                   atomic.Int64
	exported, failed, dropped prometheus.Counter
	health                    *health.Tracker
}

// OnEnd never waits.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	if q.waiting.Add(1) > queueSize {
		q.waiting.Add(-1)
		q.dropped.Inc()
		return
	}
	q.SpanProcessor.OnEnd(s)
}

// ForceFlush is the processor's.
func (q *queue) ForceFlush(ctx context.Context) error { return q.SpanProcessor.ForceFlush(ctx) }

// Shutdown is the processor's, which ends the exporter too.
func (q *queue) Shutdown(ctx context.Context) error { return q.SpanProcessor.Shutdown(ctx) }

// exportedBy is the exporter of a queue, as its processor sees it.
type exportedBy struct{ *queue }

// ExportSpans handles every error: the SDK would print it.
func (e exportedBy) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	defer e.waiting.Add(-int64(len(spans)))
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.health.Report("exporting traces", err)
	if err != nil {
		e.failed.Add(float64(len(spans)))
		return nil
	}
	e.exported.Add(float64(len(spans)))
	return nil
}

// Shutdown is the exporter's.
func (e exportedBy) Shutdown(ctx context.Context) error { return e.SpanExporter.Shutdown(ctx) }
