package auth

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
)

// panicking is a store of sessions that panics the first time.
type panicking struct {
	noSessions
	touches atomic.Int32
}

func (p *panicking) TouchSession(context.Context, models.Session, time.Time) error {
	if p.touches.Add(1) == 1 {
		panic("rows without a result")
	}
	return nil
}

func TestBackgroundWorkSurvivesPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, sessions, registry := validOptions(), &panicking{}, prometheus.NewRegistry()
		o.Sessions, o.Registerer, o.SignIn = sessions, registry, SignIn{}
		d, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		d.queueSeen(models.Session{}, time.Now())
		time.Sleep(2 * minBackoff)
		d.queueSeen(models.Session{}, time.Now())
		time.Sleep(time.Second)
		stop()
		if err := <-ended; err != nil || sessions.touches.Load() != 2 {
			t.Errorf("%d notes, ended with %v", sessions.touches.Load(), err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "referral_panics_total" && f.GetMetric()[0].GetCounter().GetValue() == 1 {
				return
			}
		}
		t.Error("the panic is not counted")
	})
}
