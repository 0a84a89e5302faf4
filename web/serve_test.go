package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// A request that is under way when the process is told to stop gets its answer.
func TestServeStopsGracefully(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-proceed
		if r.Context().Err() != nil {
			t.Error("the request was cancelled with the server")
		}
		_, _ = io.WriteString(w, "done")
	})
	listener := listen(t)
	served, answered := make(chan error, 1), make(chan string, 1)
	go func() { served <- ServeOn(ctx, listener, nil, slog.New(slog.DiscardHandler), handler) }()
	go func() { answered <- fetch(t, "http://"+listener.Addr().String()) }()
	<-arrived
	stop()
	close(proceed)
	if got := <-answered; got != "done" {
		t.Errorf("got %q", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestListenNamesATakenAddress(t *testing.T) {
	taken := listen(t).Addr().String()
	_, err := Listen(t.Context(), "http.admin", taken)
	if err == nil || !strings.Contains(err.Error(), taken) || !strings.Contains(err.Error(), "http.admin") {
		t.Errorf("got %v, want an error that names %s", err, taken)
	}
}

func TestServeReportsADeadListener(t *testing.T) {
	listener := listen(t)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ServeOn(t.Context(), listener, nil, slog.New(slog.DiscardHandler), http.NotFoundHandler()); err == nil {
		t.Error("got no error")
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func fetch(t *testing.T, url string) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	response, err := client.Do(request)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
