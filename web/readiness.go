package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Readiness is the body of /readyz.
type Readiness struct {
	Ready  bool          `json:"ready"`
	Checks []CheckResult `json:"checks"` // by name
}

// CheckResult is the answer of one check.
type CheckResult struct {
	Name     string `json:"name"`
	Ready    bool   `json:"ready"`
	Advisory bool   `json:"advisory,omitempty"` // it does not make the process unready
	Error    string `json:"error,omitempty"`    // without secrets
}

// readiness runs the checks at every request and every scrape, all at once, and logs
// when the result of one changes.
type readiness struct {
	checks  []*check
	timeout time.Duration
	log     *slog.Logger
}

func newReadiness(o Options) *readiness {
	r := &readiness{timeout: o.CheckTimeout, log: o.Log}
	for name, run := range o.Checks {
		r.checks = append(r.checks, &check{name: name, run: run, running: make(chan struct{}, 1)})
	}
	for name, run := range o.Advisory {
		r.checks = append(r.checks, &check{name: name, run: run, running: make(chan struct{}, 1), advisory: true})
	}
	slices.SortFunc(r.checks, func(a, b *check) int { return cmp.Compare(a.name, b.name) })
	return r
}

// ServeHTTP responds with 200 when every check passes that is not advisory, otherwise
// 503: as JSON when the request asks for it (Accept, or ?format=json), otherwise as text.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	state := r.state(req.Context())
	contentType, write := "text/plain; charset=utf-8", state.writeText
	if req.URL.Query().Get("format") == "json" || strings.Contains(req.Header.Get("Accept"), "json") {
		contentType, write = "application/json", func(w io.Writer) { _ = json.NewEncoder(w).Encode(state) } // it fails when the client has disconnected
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	write(w)
}

func (r *readiness) state(ctx context.Context) Readiness {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	state := Readiness{Ready: true, Checks: make([]CheckResult, len(r.checks))}
	var group sync.WaitGroup
	for i, c := range r.checks {
		group.Go(func() { state.Checks[i] = c.result(ctx, r.log) })
	}
	group.Wait()
	for _, result := range state.Checks {
		state.Ready = state.Ready && (result.Ready || result.Advisory)
	}
	return state
}

func (s Readiness) writeText(w io.Writer) {
	if !s.Ready {
		fmt.Fprint(w, "not ")
	}
	fmt.Fprintln(w, "ready")
	for _, c := range s.Checks {
		advisory := ""
		if c.Advisory && !c.Ready {
			advisory = "(the rest works) "
		}
		fmt.Fprintf(w, "%s: %s%s\n", c.Name, advisory, cmp.Or(c.Error, "ok"))
	}
}

type check struct {
	name     string
	run      func(context.Context) error
	advisory bool
	running  chan struct{} // holds a token while the check runs

	mu   sync.Mutex
	last string // error that was logged last
}

var errStuck = errors.New("an earlier check has not ended yet")

func (c *check) result(ctx context.Context, log *slog.Logger) CheckResult {
	result := CheckResult{Name: c.name, Ready: true, Advisory: c.advisory}
	if err := c.attempt(ctx); err != nil {
		result.Ready, result.Error = false, redact(err.Error())
	}
	// A disconnected client says nothing about the check.
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		c.logChange(result, log)
	}
	return result
}

// attempt runs the check, and abandons it when it does not end with its context. While
// an abandoned check runs, no second one is started: probes come every few seconds, and
// the checks would accumulate.
func (c *check) attempt(ctx context.Context) error {
	select {
	case c.running <- struct{}{}:
	case <-ctx.Done():
		return errStuck
	}
	answer := make(chan error, 1)
	go func() {
		defer func() { <-c.running }()
		answer <- c.recovering(ctx)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

func (c *check) recovering(ctx context.Context) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the check panicked: %v", fault)
		}
	}()
	return c.run(ctx)
}

// logChange logs only changes: probes come every few seconds.
func (c *check) logChange(result CheckResult, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if result.Error == c.last {
		return
	}
	c.last = result.Error
	if result.Ready {
		log.Info("ready again", "check", c.name)
		return
	}
	log.Warn("not ready", "check", c.name, "error", result.Error)
}
