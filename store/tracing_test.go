package store_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/tracing"
	"referral/models"
	"referral/test/collector"
)

// Every event of a batch continues the trace of the message that brought its fact, and
// without one that of the batch. What the database does is named without what it is about.
func TestEventsContinueTheTraceOfTheirMessage(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	server := httptest.NewServer(&collector.Collector{})
	defer server.Close()
	provider, err := tracing.New(tracing.Options{Endpoint: server.URL, Sampling: 1, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	batch := l.deliveries(registered(885, "2026-01-01T09:00:00Z"), registered(886, "2026-01-01T09:00:00Z"))
	batch[0].Message.Headers = []models.Header{{Key: "traceparent", Value: []byte(parent)}, {Key: "tracestate", Value: []byte("vendor=a")}}
	ctx, span := tracing.Start(provider.Context(t.Context()), tracing.Consumer, "a batch")
	if _, err := l.Ingest(ctx, batch, l.derive); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.AccountHistory(ctx, 885); err != nil {
		t.Fatal(err)
	}
	span.End(nil)
	events, err := l.OutboxEvents(t.Context(), 10)
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	want := map[int64]string{885: parent + " vendor=a", 886: string(tracing.Current(ctx))}
	for _, e := range events {
		if e.Trace != want[e.AccountID] {
			t.Errorf("account %d: %q, want %q", e.AccountID, e.Trace, want[e.AccountID])
		}
	}
	provider.Close()
	spans := server.Config.Handler.(*collector.Collector).Spans()
	if len(spans) < 3 {
		t.Errorf("only %d spans", len(spans))
	}
	for _, s := range spans {
		if strings.ContainsAny(s.Name, "0123456789") {
			t.Errorf("the span %q has a number", s.Name)
		}
	}
}
