// Package tracing says what was done in which order for one cause: spans of
// OpenTelemetry, passed on in the format of W3C Trace Context and exported by OTLP.
//
// The context carries the tracer, as it carries the span. Where tracing is off there is
// none, and every call of this package costs a look-up in the context. No span has
// personal data, codes, addresses or the text of an error, which a database may fill with
// what it refuses: the log has the error, under the same trace_id.
package tracing
