// Package promregister registers the metrics of a component, and returns the errors for
// which promauto would panic.
package promregister

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Registerer registers with another one and remembers what has failed.
type Registerer struct {
	prometheus.Registerer
	errs []error
}

// New is a registerer that nothing has failed with.
func New(r prometheus.Registerer) *Registerer { return &Registerer{Registerer: r} }

// MustRegister registers collectors as Register does.
func (r *Registerer) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		r.errs = append(r.errs, r.Register(c))
	}
}

// Err is everything that has failed.
func (r *Registerer) Err() error { return errors.Join(r.errs...) }
