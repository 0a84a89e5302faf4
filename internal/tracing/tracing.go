package tracing

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"referral/internal/recovering"
)

// Kind is what a span is to those around it.
type Kind int

// The kinds of spans. A Client span, of a statement to the database, is started only
// within another: what polls the database leaves no traces.
const (
	Internal Kind = iota
	Server        // answers a request
	Client        // asks the database
	Producer      // publishes messages
	Consumer      // takes messages
)

var kinds = [...]trace.SpanKind{
	Internal: trace.SpanKindInternal, Server: trace.SpanKindServer, Client: trace.SpanKindClient, Producer: trace.SpanKindProducer,
	Consumer: trace.SpanKindConsumer,
}

type tracerKey struct{}

func tracerOf(ctx context.Context) trace.Tracer {
	tracer, _ := ctx.Value(tracerKey{}).(trace.Tracer)
	return tracer
}

// Inherit is ctx with the tracer of another context, for a context that a library made.
func Inherit(ctx, from context.Context) context.Context {
	if tracer := tracerOf(from); tracer != nil {
		return context.WithValue(ctx, tracerKey{}, tracer)
	}
	return ctx
}

// On reports whether tracing is on.
func On(ctx context.Context) bool { return tracerOf(ctx) != nil }

// Span is one piece of work. Its zero value is that of a process that does not trace.
type Span struct{ span trace.Span }

// Start begins a span within the one of ctx. One that is not within another continues its
// cause if it has a single one; several are linked. An empty cause stands for work that
// belongs to no trace. A request is only linked with its
// cause: anyone may send one. The name is that of an operation, without numbers.
func Start(ctx context.Context, kind Kind, name string, causes ...Context) (context.Context, Span) {
	tracer := tracerOf(ctx)
	within := tracer != nil && trace.SpanContextFromContext(ctx).IsValid()
	if tracer == nil || kind == Client && !within {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(kinds[kind])}
	if !within && len(causes) == 1 && kind != Server {
		ctx = Continue(ctx, causes[0])
	} else {
		options = append(options, trace.WithLinks(links(causes)...))
	}
	ctx, span := tracer.Start(ctx, name, options...)
	return ctx, Span{span}
}

// maxLinks bounds the links of a span, as collectors do.
const maxLinks = 128

// links leaves out what nobody has recorded, and the same message twice.
func links(causes []Context) (all []trace.Link) {
	seen := map[Context]bool{}
	for _, c := range causes {
		if c == "" || seen[c] || len(all) == maxLinks {
			continue
		}
		seen[c] = true
		if linked := c.parse(); linked.IsSampled() {
			all = append(all, trace.Link{SpanContext: linked})
		}
	}
	return all
}

// On reports whether there is a span.
func (s Span) On() bool { return s.span != nil }

// In is another context with the span.
func (s Span) In(ctx context.Context) context.Context {
	if s.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// Name renames the span, when it is known only late what it does.
func (s Span) Name(name string) {
	if s.span != nil {
		s.span.SetName(name)
	}
}

// Number adds a number to what is known of the span.
func (s Span) Number(key string, value int64) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int64(key, value))
	}
}

// Text adds a word of ours, which is never something that a person has entered.
func (s Span) Text(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// End ends the span. Of an error only the kind is kept.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String("error.type", errorType(err)))
	}
	s.span.End()
}

// Fail is End for work that failed in a way that is not a Go error, such as a status.
func (s Span) Fail(kind string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, "")
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.End()
	}
}

// errorType is the SQLSTATE of an error, or its kind in a few words.
func errorType(err error) string {
	var state interface{ SQLState() string }
	switch {
	case errors.As(err, &state):
		return state.SQLState()
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, recovering.ErrPanicked):
		return "panic"
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return fmt.Sprintf("%T", err)
		}
		err = next
	}
}
