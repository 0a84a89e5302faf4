// Package storetest gives a test a database of its own on the real PostgreSQL
// that `make test` starts.
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"referral/store"
	"referral/test/citus"
)

// DSN makes an empty database and returns a superuser's connection to it. It is
// dropped when the test ends. A missing server is a failure, not a skip.
func DSN(t testing.TB) string {
	t.Helper()
	return DSNOf(t, "ENCODING 'UTF8'")
}

// DSNOf is DSN for a database with options of its own.
func DSNOf(t testing.TB, options string) string {
	t.Helper()
	server := os.Getenv("REFERRAL_TEST_DSN")
	if server == "" {
		t.Fatal("REFERRAL_TEST_DSN is not set: this test needs a real PostgreSQL; run it through `make test`")
	}
	name := fmt.Sprintf("t_%s_%08x", letters(t.Name()), rand.Uint32())
	exec(t, server, "CREATE DATABASE "+name+" TEMPLATE template0 "+options)
	t.Cleanup(func() {
		exec(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		if err := citus.Drop(context.Background(), server, name); err != nil {
			t.Error(err)
		}
	})
	if _, err := citus.Join(t.Context(), server, name); err != nil {
		t.Fatal(err)
	}
	return inDatabase(t, server, name)
}

// Open makes a database with the newest schema and opens a store on it.
func Open(t testing.TB, now func() time.Time) (*store.Store, string) {
	t.Helper()
	dsn := DSN(t)
	s, err := store.Open(store.Options{DSN: dsn, MaxConnections: 8, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	Migrate(t, s)
	return s, dsn
}

// Migrate gives a database the newest schema, and on a Citus cluster lays its tables out.
func Migrate(t testing.TB, s *store.Store) {
	t.Helper()
	if _, err := s.Migrate(context.Background(), store.Roles{}); err != nil {
		t.Fatal(err)
	}
	workers, err := citus.Workers(context.Background(), os.Getenv("REFERRAL_TEST_DSN"))
	if err == nil && workers > 0 {
		_, err = s.Distribute(context.Background(), store.Roles{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// SQL opens a plain connection, for tests that read what the store has written.
func SQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t testing.TB, dsn, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test's own connection
	// A process of Citus may need longer to leave a database than the five seconds that the
	// server waits for it.
	for tries := 6; ; tries-- {
		_, err := db.ExecContext(context.Background(), statement)
		if err == nil {
			return
		}
		var pg *pgconn.PgError
		if tries == 1 || !errors.As(err, &pg) || pg.Code != "55006" {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func letters(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return clean[:min(len(clean), 40)]
}

func inDatabase(t testing.TB, dsn, name string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("REFERRAL_TEST_DSN is not a URL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}
