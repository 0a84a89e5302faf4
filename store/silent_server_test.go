package store_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"referral/store"
	"referral/test/pgproxy"
	"referral/test/storetest"
)

// A server that hangs is given up, and used again once it answers. A limit of the caller
// holds as well.
func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	proxy := pgproxy.New(t, l.dsn)
	s, err := store.Open(store.Options{DSN: proxy.DSN(), MaxConnections: 4, Silence: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	start := func(ctx context.Context) error { return second(s.ActiveRuns(ctx)) }
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	goOn := proxy.Silence()
	if err := start(t.Context()); !errors.Is(err, store.ErrSilent) {
		t.Errorf("%v, want the server's silence", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := start(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the caller's limit", err)
	}
	goOn()
	for err := start(t.Context()); err != nil; err = start(t.Context()) { // a busy one may be silent again
		if t.Context().Err() != nil {
			t.Fatalf("the server answers again: %v", err)
		}
	}
}

// Every server answers to the question, whatever it thinks of TLS; one that hangs does not.
func TestServerIsAsked(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(storetest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := store.AskServer(ctx, "tcp", u.Host); err != nil {
		t.Error(err)
	}
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hangs.Close() })
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := store.AskServer(short, "tcp", hangs.Addr().String()); err == nil {
		t.Error("a server that hangs has answered")
	}
}
