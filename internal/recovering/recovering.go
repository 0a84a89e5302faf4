// Package recovering keeps a panic in one piece of work from ending the process: the
// piece fails with an error, and its caller tries it again.
package recovering

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// Guard turns panics into errors, logs them with their stack and counts them.
type Guard struct {
	log    *slog.Logger
	panics prometheus.Counter
}

// New is the guard of a component. All components of a process share one metric.
func New(log *slog.Logger, r prometheus.Registerer, component string) (*Guard, error) {
	panics := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "referral_panics_total", Help: "Panics that were recovered from, by component; what panicked is tried again.",
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

// Do does a piece of work; the error is its own, or says that it panicked.
func (g *Guard) Do(work func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			g.panics.Inc()
			g.log.Error("recovered from a panic", "fault", fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	return work()
}
