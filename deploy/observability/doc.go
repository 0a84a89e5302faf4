// Package observability has no code of its own. Its folder holds what watches the
// service: the rules of Prometheus and their unit tests. Its tests check them with
// promtool, against the list of metrics in docs/operations.md and against
// docs/runbook.md.
package observability
