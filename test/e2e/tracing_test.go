package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"referral/test/collector"
)

// traced is a program whose traces are collected.
type traced struct {
	*portalWorld
	collector collector.Collector
}

// TestTraces follows a message, a request and a run to what is published for them, and
// then takes the collector away.
func TestTraces(t *testing.T) {
	c := &traced{}
	server := httptest.NewServer(&c.collector)
	defer server.Close()
	c.portalWorld = newPortalWorld(t, "REFERRAL_TRACING_ENDPOINT="+server.URL, "REFERRAL_TRACING_SAMPLING=1")
	month := today().Period().Previous()
	c.send(client(inviter, "Резервация", noon(month.First()-200)), client(invitee, "Новые окна", noon(month.First()-5)))
	c.learnCodes(inviter, invitee)

	const ours, refused = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"
	accepted := activation(invitee, c.codes[inviter], noon(month.First()-3))
	c.send(c.within(ours, accepted))
	c.drained()
	c.send(bill(inviter, month, deal))
	c.drained()
	c.published()
	event := c.message("events", "referral.activated.v1", invitee)
	c.wantParent(event, ours, "vendor=a")
	for name, parent := range map[string]string{"ingest messages": "00f067aa0ba902b7", "ingesting messages": "ingest messages", "publish referral.activated.v1": "ingest messages"} {
		c.wantSpan(ours, name, parent)
	}

	c.send(c.within(refused, fact("registered", "/pbx", "pbx.registered.v1", "r-bad", 902, `{"account_id":902}`)))
	c.until("the log to name the trace of a dead letter", func() (bool, string) {
		line := c.line("a message became a dead letter")
		return strings.Contains(line, `"trace_id":"`+refused+`"`), line
	})

	c.post(inviter, "/api/v1/activations", fmt.Sprintf(`{"code":%q}`, c.codes[invitee]))
	c.published()
	event = c.message("events", "referral.refused.v1", inviter)
	trace := strings.Split(event.header["traceparent"], "-")[1]
	c.wantSpan(trace, "POST /api/v1/activations", "")
	c.wantSpan(trace, "publish referral.refused.v1", "POST /api/v1/activations")

	c.must("run", month.String())
	c.published()
	document := c.message("discounts", "referral.discount-adjustment.v1", inviter)
	trace = strings.Split(document.header["traceparent"], "-")[1]
	c.wantParent(document, trace, "")
	c.wantSpan(trace, "settle period", "")
	c.wantSpan(trace, "settle chunk", "settle period")
	c.wantSpan(trace, "publish documents", "settle chunk")
	c.wantNothingPersonal()
	c.wantExemplars("referral_consumer_ingest_duration_seconds", "referral_publisher_write_duration_seconds", "referral_web_request_duration_seconds")

	server.Close()
	c.send(client(903, "Лес", noon(today()-1)))
	c.learnCodes(903)
	c.until("lost spans to be counted", func() (bool, string) {
		text := c.server.page("/metrics")
		return !strings.Contains(text, "\nreferral_tracing_spans_total{outcome=\"failed\"} 0\n"), c.line("exporting traces fails")
	})
	if c.line("exporting traces fails") == "" {
		t.Error("the log does not say that the collector is away")
	}
	c.server.ready()
	if status := c.server.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// within is a message that a traced producer sends.
func (c *traced) within(trace string, m message) message {
	m.headers = []kafka.Header{
		{Key: "content-type", Value: []byte("application/cloudevents+json")},
		{Key: "traceparent", Value: []byte("00-" + trace + "-00f067aa0ba902b7-01")}, {Key: "tracestate", Value: []byte("vendor=a")},
	}
	return m
}

// line is the last one of the log that has a text.
func (c *traced) line(text string) string {
	lines := strings.Split(c.server.log.all(), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// message is the last one of a type about an account.
func (c *traced) message(topic, kind string, account int64) record {
	c.t.Helper()
	for _, r := range slices.Backward(c.records(topic)) {
		if c.event(r).Type == kind && string(r.Key) == fmt.Sprint(account) {
			return r
		}
	}
	c.t.Fatalf("no %s about %d", kind, account)
	return record{}
}

func (c *traced) wantParent(r record, trace, state string) {
	c.t.Helper()
	parent := r.header["traceparent"]
	if !strings.HasPrefix(parent, "00-"+trace+"-") || !strings.HasSuffix(parent, "-01") || r.header["tracestate"] != state {
		c.t.Errorf("%s: traceparent %q, tracestate %q; want trace %s, %q", r.Topic, parent, r.header["tracestate"], trace, state)
	}
}

// wantSpan waits for a span of a trace within another one, of some name or id.
func (c *traced) wantSpan(trace, name, within string) {
	c.t.Helper()
	c.until(name, func() (bool, string) {
		var names []string
		all := c.collector.Spans()
		for _, s := range all {
			if s.Trace != trace {
				continue
			}
			names = append(names, s.Name)
			parent := slices.IndexFunc(all, func(p collector.Span) bool { return p.Trace == trace && p.ID == s.Parent && p.Name == within })
			if s.Name == name && (s.Parent == within || parent >= 0) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("trace %s has %q", trace, names)
	})
}

// wantNothingPersonal looks for what must not be in a trace, and for spans that nothing
// caused.
func (c *traced) wantNothingPersonal() {
	c.t.Helper()
	for _, s := range c.collector.Spans() {
		text := fmt.Sprint(s)
		for _, secret := range []string{"Резервация", "Новые окна", "7700000", c.codes[inviter], c.codes[invitee]} {
			if strings.Contains(text, secret) {
				c.t.Errorf("%s is in the span %s", secret, text)
			}
		}
		if s.Parent == "" && s.Kind == "SPAN_KIND_CLIENT" {
			c.t.Errorf("a statement alone is a trace: %s", text)
		}
	}
}

// wantExemplars scrapes as Prometheus does.
func (c *traced) wantExemplars(histograms ...string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+c.server.admin+"/metrics", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, name := range histograms {
		found := slices.ContainsFunc(strings.Split(string(text), "\n"), func(line string) bool {
			return strings.HasPrefix(line, name+"_bucket") && strings.Contains(line, `# {trace_id="`)
		})
		if !found {
			c.t.Errorf("%s has no exemplar", name)
		}
	}
}
