package promregister_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"referral/internal/promregister"
)

func TestRegisteringTwiceIsAnError(t *testing.T) {
	t.Parallel()
	r := promregister.New(prometheus.NewRegistry())
	promauto.With(r).NewCounter(prometheus.CounterOpts{Name: "a_total"})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	promauto.With(r).NewCounter(prometheus.CounterOpts{Name: "a_total"})
	var twice prometheus.AlreadyRegisteredError
	if err := r.Err(); !errors.As(err, &twice) {
		t.Errorf("registered twice: %v", err)
	}
}
