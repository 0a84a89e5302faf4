package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"referral/models"
	"referral/store"
)

// hearing is a further process that keeps what the database rejects.
func (l *life) hearing() (s *store.Store, heard func() string) {
	l.Helper()
	var mutex sync.Mutex
	var states []string
	s, err := store.Open(store.Options{DSN: l.dsn, MaxConnections: mostConnections, Now: func() time.Time { return l.now }, Rejected: func(state string) {
		mutex.Lock()
		defer mutex.Unlock()
		states = append(states, state)
	}})
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = s.Close() })
	return s, func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return strings.Join(states, " ")
	}
}

// What the database rejects whatever the data is tried once, named and heard of; it
// is no fault of the data, and goes through once the cause is removed.
func TestRejectedStatementsAreNotRetried(t *testing.T) {
	t.Parallel()
	for state, cause := range map[string]struct {
		make   []string
		remove []string
	}{
		"42703": {[]string{"ALTER TABLE accounts RENAME phone TO gone"}, []string{"ALTER TABLE accounts RENAME gone TO phone"}},
		"42P01": {[]string{"ALTER TABLE accounts RENAME TO gone"}, []string{"ALTER TABLE gone RENAME TO accounts"}},
		"0A000": {[]string{
			"SET LOCAL citus.enable_unsafe_triggers = on", "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not here' USING ERRCODE = '0A000'; END $$",
			"CREATE TRIGGER refuse BEFORE INSERT ON accounts EXECUTE FUNCTION refuse()",
		}, []string{"SET LOCAL citus.enable_unsafe_triggers = on", "DROP TRIGGER refuse ON accounts"}},
	} {
		l := newLife(t)
		s, heard := l.hearing()
		l.inOne(cause.make...)
		fact := l.fact(registered(1, "2026-04-01T08:00:00+03:00"))
		_, err := s.Ingest(t.Context(), []models.DecodedMessage{fact}, l.derive)
		if !errors.Is(err, models.ErrStatementRejected) || errors.Is(err, models.ErrRefused) || !strings.Contains(err.Error(), "SQLSTATE "+state) {
			t.Errorf("%s: %v", state, err)
		}
		if got := heard(); got != state {
			t.Errorf("%s: the database rejected %q, want it asked once", state, got)
		}
		l.inOne(cause.remove...)
		if fate, err := s.Ingest(t.Context(), []models.DecodedMessage{fact}, l.derive); err != nil || fate[0] != models.Applied {
			t.Errorf("%s: once the cause is removed: %v, %v", state, fate, err)
		}
	}
}

// A newer release adds a column: the prepared statement that this outdates is
// prepared again, and nobody hears of it.
func TestOutdatedPlanIsMadeAgain(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.climb()
	run := l.start(models.RunRequest{Period: 202604})
	s, heard := l.hearing()
	advance := func() error {
		_, _, err := s.AdvanceRun(t.Context(), run.ID, l.p.Brake)
		return err
	}
	if err := advance(); err != nil {
		t.Fatal(err)
	}
	l.exec("ALTER TABLE runs ADD COLUMN newer text")
	if err := advance(); err != nil || heard() != "" {
		t.Errorf("after a column was added: %v, heard %q", err, heard())
	}
}
