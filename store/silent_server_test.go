package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/store"
	"referral/test/pgproxy"
)

// A server that hangs is given up once it has been silent for longer than a statement may
// take, and asked again on another connection. A shorter limit of the caller holds as well.
func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	proxy := pgproxy.New(t, l.dsn)
	s, err := store.Open(store.Options{DSN: proxy.DSN(), MaxConnections: 4, StatementTimeout: 200 * time.Millisecond, AnswerTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	start := func(ctx context.Context) error {
		_, _, err := s.StartRun(ctx, models.RunRequest{Period: 202604, Chunk: 1})
		return err
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	goOn := proxy.Silence()
	if err := start(t.Context()); err == nil || !strings.Contains(err.Error(), "has not answered for 300ms") {
		t.Errorf("%v, want the server's silence", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := start(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the caller's limit", err)
	}
	goOn()
	if err := start(t.Context()); err != nil {
		t.Errorf("the server answers again: %v", err)
	}
}
