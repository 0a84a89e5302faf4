// Package recovering keeps a panic in one piece of work from ending the process: the
// piece fails with an error, and its caller tries it again.
package recovering

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrPanicked is the error of work that panicked.
var ErrPanicked = errors.New("panic")

// Guard turns panics into errors, logs them with their stack and counts them.
type Guard struct {
	log     *slog.Logger
	panics  prometheus.Counter
	private bool
}

// New is the guard of a component. All components of a process share one metric.
func New(log *slog.Logger, r prometheus.Registerer, component string) (*Guard, error) {
	panics := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "referral_panics_total", Help: "Panics that were recovered, by component. What panicked is tried again.",
	}, []string{"component"})
	if err := r.Register(panics); err != nil {
		var registered prometheus.AlreadyRegisteredError
		if !errors.As(err, &registered) {
			return nil, fmt.Errorf("registering the metric of panics: %w", err)
		}
		panics = registered.ExistingCollector.(*prometheus.CounterVec) //nolint:forcetypeassert // equal descriptions are of equal type
	}
	return &Guard{log: log.With("component", component), panics: panics.WithLabelValues(component)}, nil
}

// NewPrivate is the guard of a component that works on what clients have sent: of a
// panic it tells only what the runtime says, because any other text may quote that.
func NewPrivate(log *slog.Logger, r prometheus.Registerer, component string) (*Guard, error) {
	g, err := New(log, r, component)
	if err != nil {
		return nil, err
	}
	g.private = true
	return g, nil
}

// Do does a piece of work; the error is its own, or says that it panicked.
func (g *Guard) Do(work func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			g.panics.Inc()
			if _, runtimes := fault.(runtime.Error); g.private && !runtimes {
				fault = fmt.Sprintf("%T", fault)
			}
			g.log.Error("recovered from a panic", "error", fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", ErrPanicked, fault)
		}
	}()
	return work()
}
