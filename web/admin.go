package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options is what the admin address needs.
type Options struct {
	Gatherer prometheus.Gatherer
	// Registerer takes the count of failed scrapes and the checks; the same registry as
	// Gatherer, as a rule.
	Registerer prometheus.Registerer
	// Checks is what must answer for the process to be ready, by name:
	// database, broker, schema. A check gets a few seconds, and should heed its
	// context.
	Checks map[string]func(context.Context) error
	// Advisory is what is shown in the same way and does not count: work that
	// waits, while the process can do all its other work.
	Advisory map[string]func(context.Context) error
	Log      *slog.Logger
	// CheckTimeout is how long one check may take; 0 means 3 seconds.
	CheckTimeout time.Duration
}

func (o *Options) validate() error {
	switch {
	case o.Gatherer == nil:
		return errors.New("web: no Gatherer")
	case o.Registerer == nil:
		return errors.New("web: no Registerer")
	case o.Log == nil:
		return errors.New("web: no Log")
	case o.CheckTimeout < 0:
		return fmt.Errorf("web: a check timeout of %s", o.CheckTimeout)
	}
	for _, checks := range []map[string]func(context.Context) error{o.Checks, o.Advisory} {
		for name, check := range checks {
			if name == "" || check == nil {
				return fmt.Errorf("web: check %q needs a name and a function", name)
			}
		}
	}
	return nil
}

const defaultCheckTimeout = 3 * time.Second

// NewAdmin is the handler of the admin address: /metrics, /healthz and /readyz.
// The error says which option is missing.
func NewAdmin(o Options) (http.Handler, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = defaultCheckTimeout
	}
	ready := newReadiness(o)
	if err := o.Registerer.Register(readyMetric{ready}); err != nil {
		return nil, fmt.Errorf("web: registering the metric of readiness: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(o))
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("GET /readyz", ready)
	return mux, nil
}

const (
	scrapeTimeout = 10 * time.Second // Prometheus gives up at 10 s by default
	scrapesAtOnce = 4
)

// metricsHandler shows what can be gathered even when a collector fails: one
// broken figure must not blind the alarms on all others. The failure is logged
// and counted.
func metricsHandler(o Options) http.Handler {
	return promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            scrapeLog{o.Log},
		Registry:            o.Registerer,
		MaxRequestsInFlight: scrapesAtOnce,
		EnableOpenMetrics:   true,
		Timeout:             scrapeTimeout,
	})
}

type scrapeLog struct{ log *slog.Logger }

// Println is what promhttp calls.
func (l scrapeLog) Println(v ...any) {
	l.log.Error("metrics could not be shown in full", "error", presentable(fmt.Sprintln(v...)))
}

// healthy answers as long as the process lives: a supervisor that restarts
// processes asks here, and a restart repairs neither a database nor a broker.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	// An error here is a client that has gone away.
	_, _ = w.Write([]byte("ok\n"))
}
