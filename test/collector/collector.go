// Package collector takes traces as a collector of OpenTelemetry does: OTLP over HTTP, in
// protocol buffers.
package collector

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was exported; ids are in hexadecimal digits.
type Span struct {
	Trace, ID, Parent string
	Links             []string // ids of the traces
	Name              string
	Kind              string // SPAN_KIND_CONSUMER
	Failed            bool
	Attributes        map[string]string // of the span and, in front of them, of the process
}

// Collector is a handler that keeps what it is sent. Its zero value is ready.
type Collector struct {
	mu      sync.Mutex
	spans   []Span
	headers []http.Header
}

// ServeHTTP takes a request of an exporter.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request collectorpb.ExportTraceServiceRequest
	if err := read(r, &request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header)
	for _, of := range request.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, spanOf(of.Resource.Attributes, s))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func read(r *http.Request, into *collectorpb.ExportTraceServiceRequest) error {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		return http.ErrNotSupported
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(unzipped)
	if err != nil {
		return err
	}
	return proto.Unmarshal(body, into)
}

func spanOf(process []*commonpb.KeyValue, s *tracepb.Span) Span {
	span := Span{
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Name: s.Name, Kind: s.Kind.String(), Failed: s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, Attributes: map[string]string{},
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, hex.EncodeToString(l.TraceId))
	}
	for _, a := range slices.Concat(process, s.Attributes) {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_IntValue:
			span.Attributes[a.Key] = strconv.FormatInt(v.IntValue, 10)
		default:
			span.Attributes[a.Key] = a.Value.GetStringValue()
		}
	}
	return span
}

// Spans is what has been exported until now.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Headers is those of the requests until now.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.headers)
}
