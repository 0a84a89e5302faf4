package smpp

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// A server that somebody has ended is there again, at the same address and for the
// same password.
func TestServerIsStartedAgain(t *testing.T) {
	p, err := Start(t.Context(), Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	ended := p.running()
	if err := syscall.Kill(ended.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended.Done()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for p.probe(ctx) != nil {
		select {
		case <-ctx.Done():
			t.Fatal("it was not started again")
		case <-time.After(glance):
		}
	}
	if p.running() == ended {
		t.Error("it is the one that was ended")
	}
}

func TestListening(t *testing.T) {
	if listening(1) {
		t.Error("nobody listens on port 1")
	}
}
