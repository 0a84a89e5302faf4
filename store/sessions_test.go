package store_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

var noon = time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)

// signedIn opens a session at noon that idles out in half an hour and ends at
// one o'clock.
func signedIn(t *testing.T, s *store.Store, name string, account int64) models.Session {
	t.Helper()
	n := models.Session{
		ID: sha256.Sum256([]byte(name)), AccountID: account, Hint: []byte("sealed " + name),
		CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(30 * time.Minute), EndsAt: noon.Add(time.Hour),
	}
	if err := s.OpenSession(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n
}

func looked(t *testing.T, s *store.Store, id models.SessionID, at time.Time) (models.Session, bool) {
	t.Helper()
	found, ok, err := s.Session(t.Context(), id, at)
	if err != nil {
		t.Fatal(err)
	}
	return found, ok
}

func TestSession(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Open(t, nil)
	mine, other := signedIn(t, s, "mine", 885), signedIn(t, s, "other", 901)
	found, ok := looked(t, s, mine.ID, noon.Add(29*time.Minute))
	if !ok || found.AccountID != 885 || !found.EndsAt.Equal(mine.EndsAt) || !found.SeenAt.Equal(noon) || found.Hint != nil {
		t.Errorf("got %+v, %v", found, ok)
	}
	if _, ok := looked(t, s, sha256.Sum256([]byte("nobody's")), noon); ok {
		t.Error("a session was found that nobody opened")
	}
	if _, ok := looked(t, s, mine.ID, mine.ExpiresAt); ok {
		t.Error("a session was found after it had idled out")
	}
	closed, ok, err := s.CloseSession(t.Context(), mine.ID)
	if err != nil || !ok || closed.AccountID != 885 || !bytes.Equal(closed.Hint, mine.Hint) {
		t.Errorf("closing gave %+v, %v, %v", closed, ok, err)
	}
	if _, ok, err := s.CloseSession(t.Context(), mine.ID); ok || err != nil {
		t.Errorf("closed twice: %v, %v", ok, err)
	}
	if _, ok := looked(t, s, mine.ID, noon); ok {
		t.Error("a closed session was found")
	}
	if _, ok := looked(t, s, other.ID, noon); !ok {
		t.Error("another's session went with it")
	}
}

// A client that is seen stays signed in, but not beyond the end of its session.
func TestTouchSession(t *testing.T) {
	t.Parallel()
	s, _ := storetest.Open(t, nil)
	mine := signedIn(t, s, "mine", 885)
	touch := func(at time.Time) {
		t.Helper()
		seen := models.Session{ID: mine.ID, SeenAt: at, ExpiresAt: at.Add(30 * time.Minute)}
		if err := s.TouchSession(t.Context(), seen, at.Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	expires := func() time.Duration {
		t.Helper()
		found, ok := looked(t, s, mine.ID, noon)
		if !ok {
			t.Fatal("the session is gone")
		}
		return found.ExpiresAt.Sub(noon)
	}
	for _, c := range []struct{ at, want time.Duration }{
		{59 * time.Second, 30 * time.Minute}, // noted less than a minute ago
		{20 * time.Minute, 50 * time.Minute},
		{20*time.Minute + 30*time.Second, 50 * time.Minute},
		{45 * time.Minute, time.Hour},
		{61 * time.Minute, time.Hour}, // it has ended: nothing wakes it
	} {
		touch(noon.Add(c.at))
		if got := expires(); got != c.want {
			t.Errorf("seen after %s, it expires after %s, want %s", c.at, got, c.want)
		}
	}
}

// The look-up goes by an index.
func TestASessionIsFoundByIndex(t *testing.T) {
	t.Parallel()
	_, dsn := storetest.Open(t, nil)
	db := storetest.SQL(t, dsn)
	db.SetMaxOpenConns(1) // the settings below are of one connection
	for _, statement := range []string{
		`INSERT INTO sessions SELECT sha256(i::text::bytea), i, '', now(), now(), now(), now() FROM generate_series(1, 20000) i`,
		`ANALYZE sessions`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	query := `SELECT account_id FROM sessions WHERE id = sha256('5')`
	if plan := planOf(t, db, query); !strings.Contains(plan, "sessions_pkey") || strings.Contains(plan, "Seq Scan") {
		t.Errorf("%s is answered so:\n%s", query, plan)
	}
}

// The role that serves keeps sessions and ends them.
func TestServiceRoleKeepsSessions(t *testing.T) {
	t.Parallel()
	s, dsn := storetest.Open(t, nil)
	name := role(t, dsn)
	if _, err := s.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	service := open(t, as(t, dsn, name))
	mine := signedIn(t, service, "mine", 885)
	if _, ok := looked(t, service, mine.ID, noon); !ok {
		t.Error("not found")
	}
	if err := service.TouchSession(t.Context(), models.Session{ID: mine.ID, SeenAt: noon, ExpiresAt: noon}, noon); err != nil {
		t.Error(err)
	}
	if _, ok, err := service.CloseSession(t.Context(), mine.ID); !ok || err != nil {
		t.Errorf("CloseSession: %v, %v", ok, err)
	}
}

// planOf is how the database would answer a query.
func planOf(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	rows, err := db.Query("EXPLAIN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
