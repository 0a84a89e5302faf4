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
	// Registerer takes the metrics of the scrapes and of the checks. It is usually the
	// same registry as Gatherer.
	Registerer prometheus.Registerer
	// Checks must pass for the process to be ready, by name: database, broker, schema. A
	// check should end with its context.
	Checks map[string]func(context.Context) error
	// Advisory checks are reported in the same way and do not make the process unready:
	// what they check waits, while all other work goes on.
	Advisory map[string]func(context.Context) error
	// Certificates are the files of certificates, by the setting that names them.
	Certificates map[string]string
	Log          *slog.Logger
	// CheckTimeout is how long one check may take; 0 means 3 seconds.
	CheckTimeout time.Duration
}

func (o *Options) validate() error {
	switch {
	case o.Gatherer == nil:
		return errors.New("web: Gatherer is required")
	case o.Registerer == nil:
		return errors.New("web: Registerer is required")
	case o.Log == nil:
		return errors.New("web: Log is required")
	case o.CheckTimeout < 0:
		return fmt.Errorf("web: a negative check timeout: %s", o.CheckTimeout)
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
	if err := o.Registerer.Register(ready); err != nil {
		return nil, fmt.Errorf("web: registering the readiness metric: %w", err)
	}
	if err := o.Registerer.Register(certificates{o.Certificates, o.Log}); err != nil {
		return nil, fmt.Errorf("web: registering the metric of certificates: %w", err)
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

// metricsHandler serves what can be gathered even when a collector fails: one
// faulty metric must not silence the alerts on all others. The failure is logged
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
	l.log.Error("some metrics could not be served", "error", redact(fmt.Sprintln(v...)))
}

// healthy responds as long as the process runs. It checks nothing else, because
// supervisors restart what is not healthy, and a restart repairs neither a database nor a
// broker.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	// It fails when the client has disconnected.
	_, _ = w.Write([]byte("ok\n"))
}
