package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	Advisory bool   `json:"advisory,omitempty"` // shown, and does not count
	Error    string `json:"error,omitempty"`    // without secrets
}

// readiness runs the checks at every request, all at once, and logs when one
// changes its mind.
type readiness struct {
	checks  []*check
	timeout time.Duration
	log     *slog.Logger
}

func newReadiness(o Options) *readiness {
	r := &readiness{timeout: o.CheckTimeout, log: o.Log}
	for name, run := range o.Checks {
		r.checks = append(r.checks, &check{name: name, run: run, idle: make(chan struct{}, 1)})
	}
	for name, run := range o.Advisory {
		r.checks = append(r.checks, &check{name: name, run: run, idle: make(chan struct{}, 1), advisory: true})
	}
	slices.SortFunc(r.checks, func(a, b *check) int { return cmp.Compare(a.name, b.name) })
	return r
}

// ServeHTTP answers 200 when every check that counts is content, else 503: as JSON when the
// request asks for it (Accept, or ?format=json), else as text.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	state := r.state(req.Context())
	contentType, body := state.text()
	if wantsJSON(req) {
		contentType, body = state.json()
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// An error here is a client that has gone away.
	_, _ = w.Write(body)
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

func wantsJSON(req *http.Request) bool {
	return req.URL.Query().Get("format") == "json" || strings.Contains(req.Header.Get("Accept"), "json")
}

func (s Readiness) json() (contentType string, body []byte) {
	body, err := json.Marshal(s)
	if err != nil {
		panic(err) // bools and strings always marshal
	}
	return "application/json", append(body, '\n')
}

func (s Readiness) text() (contentType string, body []byte) {
	var b bytes.Buffer
	if !s.Ready {
		b.WriteString("not ")
	}
	b.WriteString("ready\n")
	for _, c := range s.Checks {
		advisory := ""
		if c.Advisory && !c.Ready {
			advisory = "(the rest works) "
		}
		fmt.Fprintf(&b, "%s: %s%s\n", c.Name, advisory, cmp.Or(c.Error, "ok"))
	}
	return "text/plain; charset=utf-8", b.Bytes()
}

// check is one thing that must answer.
type check struct {
	name string
	run  func(context.Context) error
	idle chan struct{} // holds a token while the check runs

	advisory bool

	mu   sync.Mutex
	last string // error that was logged last
}

var errStuck = errors.New("an earlier check has not answered yet")

func (c *check) result(ctx context.Context, log *slog.Logger) CheckResult {
	result := CheckResult{Name: c.name, Ready: true, Advisory: c.advisory}
	if err := c.ask(ctx); err != nil {
		result.Ready, result.Error = false, presentable(err.Error())
	}
	// A client that left says nothing about the check.
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		c.note(result, log)
	}
	return result
}

// ask runs the check, and leaves it behind when it does not heed its context.
// One left behind is not joined by a second: probes come every few seconds, and
// would pile up.
func (c *check) ask(ctx context.Context) error {
	select {
	case c.idle <- struct{}{}:
	case <-ctx.Done():
		return errStuck
	}
	answer := make(chan error, 1)
	go func() {
		defer func() { <-c.idle }()
		answer <- c.attempt(ctx)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

func (c *check) attempt(ctx context.Context) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the check itself failed: %v", fault)
		}
	}()
	return c.run(ctx)
}

// note logs a change: probes come all the time, and one line each would bury
// the log.
func (c *check) note(result CheckResult, log *slog.Logger) {
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
