package tracing

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"referral/models"
)

// The headers of W3C Trace Context.
const (
	HeaderParent = "traceparent"
	HeaderState  = "tracestate"
)

// Context names a span of this or another process: the header traceparent and, after a
// space, tracestate if there is one. It is empty, or valid.
type Context string

var w3c propagation.TraceContext

// OfMessage is the trace that a message of a topic belongs to; empty when it names none.
func OfMessage(m *models.Message) Context {
	parent := m.Header(HeaderParent)
	if parent == nil {
		return ""
	}
	return format(extract(string(parent), string(m.Header(HeaderState))))
}

// OfRequest is the trace that a request names, if tracing is on.
func OfRequest(r *http.Request) Context {
	if parent := r.Header.Get("Traceparent"); parent != "" && On(r.Context()) {
		return format(extract(parent, r.Header.Get("Tracestate")))
	}
	return ""
}

// Headers is what a message says of the span of ctx; nothing when there is none.
func Headers(ctx context.Context) []models.Header {
	current := Current(ctx)
	if current == "" {
		return nil
	}
	parent, state := current.split()
	headers := []models.Header{{Key: HeaderParent, Value: []byte(parent)}}
	if state != "" {
		headers = append(headers, models.Header{Key: HeaderState, Value: []byte(state)})
	}
	return headers
}

// Current is the span of ctx; empty when there is none.
func Current(ctx context.Context) Context {
	if of := trace.SpanContextFromContext(ctx); of.IsValid() {
		return format(of)
	}
	return ""
}

// Continue is ctx within a span of another process.
func Continue(ctx context.Context, c Context) context.Context {
	if of := c.parse(); of.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, of)
	}
	return ctx
}

func (c Context) split() (parent, state string) {
	parent, state, _ = strings.Cut(string(c), " ")
	return parent, state
}

func (c Context) parse() trace.SpanContext {
	if c == "" {
		return trace.SpanContext{}
	}
	return extract(c.split())
}

func extract(parent, state string) trace.SpanContext {
	return trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.MapCarrier{HeaderParent: parent, HeaderState: state}))
}

func format(of trace.SpanContext) Context {
	if !of.IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithSpanContext(context.Background(), of), carrier)
	if state := carrier[HeaderState]; state != "" {
		return Context(carrier[HeaderParent] + " " + state)
	}
	return Context(carrier[HeaderParent])
}
