package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"referral/web/auth/authtest"
	"referral/web/middleware"
)

// stack is routes within a stack, with its log and metrics.
type stack struct {
	handler  http.Handler
	log      *authtest.Log
	registry *prometheus.Registry
}

func newStack(routes map[string]http.HandlerFunc, page func(http.ResponseWriter, *http.Request, middleware.ErrorPage)) *stack {
	if page == nil {
		page = authtest.ErrorPage
	}
	s := &stack{log: &authtest.Log{}, registry: prometheus.NewRegistry()}
	m := middleware.New(middleware.Options{
		Site: "portal", Base: "/referral", Page: page, CrossSite: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Registerer: s.registry,
	})
	mux := http.NewServeMux()
	for pattern, handle := range routes {
		mux.Handle(pattern, handle)
	}
	s.handler = m.Wrap(mux)
	return s
}

func (s *stack) serve(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, url string) (status int, body string, err error) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// Error pages can be shown in the layout of the pages around them.
func TestErrorPagesInAnotherLayout(t *testing.T) {
	url := newStack(nil, func(w http.ResponseWriter, _ *http.Request, p middleware.ErrorPage) {
		w.WriteHeader(p.Status)
		_, _ = io.WriteString(w, "look: "+p.Title)
	}).serve(t)
	if status, body, err := get(t, url+"/referral/nothing"); err != nil || status != http.StatusNotFound || body != "look: Страница не найдена" {
		t.Errorf("got %d %q, %v", status, body, err)
	}
}

// The database takes neither a NUL nor bytes that are not UTF-8: no route is asked about them.
func TestUnreadableAddresses(t *testing.T) {
	asked := 0
	url := newStack(map[string]http.HandlerFunc{"GET /referral/{name}": func(http.ResponseWriter, *http.Request) { asked++ }}, nil).serve(t)
	for _, path := range []string{"/referral/a%00", "/referral/%FF", "/referral/a?q=%00", "/referral/a?%FE=1", "/api/v1/a?q=%00"} {
		if status, _, err := get(t, url+path); err != nil || status != http.StatusBadRequest {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	if status, _, err := get(t, url+"/referral/%D1%91?q=%25"); err != nil || status != http.StatusOK || asked != 1 {
		t.Errorf("readable: %d, %v, asked %d times", status, err, asked)
	}
}

func TestLargeRequests(t *testing.T) {
	url := newStack(map[string]http.HandlerFunc{"POST /referral/x": func(w http.ResponseWriter, q *http.Request) {
		if _, err := io.ReadAll(q.Body); err != nil {
			large := (*http.MaxBytesError)(nil)
			if !errors.As(err, &large) {
				t.Error(err)
			}
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}}, nil).serve(t)
	for size, status := range map[int]int{64 << 10: 200, 64<<10 + 1: 413} {
		answer, err := http.Post(url+"/referral/x", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%d bytes: status %d, want %d", size, answer.StatusCode, status)
		}
	}
}

// A panic of a handler is answered and logged with its place, and without its value.
func TestPanics(t *testing.T) {
	s := newStack(map[string]http.HandlerFunc{
		"GET /referral/early": func(http.ResponseWriter, *http.Request) { panic("Иван Иванов, +7 900 000-00-00") },
		"GET /api/v1/late": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("half an answer ", 1000))
			names := []string{"Иван Иванов"}
			_, _ = io.WriteString(w, names[len(names)]) //nolint:gocritic // a panic of the runtime is wanted
		},
	}, nil)
	url := s.serve(t)
	if status, body, err := get(t, url+"/referral/early"); err != nil || status != http.StatusInternalServerError || !strings.Contains(body, "Что-то пошло не так") {
		t.Errorf("got %d %q, %v", status, body, err)
	}
	if _, _, err := get(t, url+"/api/v1/late"); err == nil {
		t.Error("half an answer looks like a whole one")
	}
	log := s.log.String()
	for _, word := range []string{"panic: string", "index out of range", "middleware_test.go", "GET /referral/early", "GET /api/v1/late"} {
		if !strings.Contains(log, word) {
			t.Errorf("the log does not say %q", word)
		}
	}
	if strings.Contains(log, "Иван") || strings.Count(log, "a request failed") != 2 {
		t.Errorf("logged:\n%s", log)
	}
}

// A client that disconnects raises no alert; a request that fails for another reason
// does, whether its client still waits or not.
func TestDisconnectedClients(t *testing.T) {
	for class, failure := range map[string]error{"client_closed": context.Canceled, "5xx": errors.New("connection refused")} {
		t.Run(class, func(t *testing.T) { disconnect(t, class, failure) })
	}
}

func disconnect(t *testing.T, class string, failure error) {
	begun, counted := make(chan struct{}), make(chan struct{})
	s := newStack(map[string]http.HandlerFunc{"GET /referral/slow": func(w http.ResponseWriter, q *http.Request) {
		close(begun)
		<-q.Context().Done()
		middleware.RecordError(q.Context(), fmt.Errorf("asking the database: %w", failure))
		w.WriteHeader(http.StatusServiceUnavailable)
	}}, nil)
	ctx, disconnect := context.WithCancel(t.Context())
	go func() {
		defer close(counted)
		s.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/referral/slow", nil))
	}()
	<-begun
	disconnect()
	<-counted
	if log := s.log.String(); strings.Contains(log, "a request failed") != (class == "5xx") {
		t.Errorf("logged:\n%s", log)
	}
	if text, want := metricsText(t, s.registry), fmt.Sprintf("{route=%q,site=\"portal\",status=%q} 1\n", "GET /referral/slow", class); !strings.Contains(text, want) {
		t.Errorf("%s is not in\n%s", want, text)
	}
}

func metricsText(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}
