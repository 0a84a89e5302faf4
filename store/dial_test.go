package store_test

import (
	"sync/atomic"
	"testing"

	"referral/store"
	"referral/test/storetest"
)

// A connection string that is replaced while the program runs is used from the next
// connection on; one that cannot be read is not.
func TestConnectionStringIsReplaced(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	named := func(name string) string { return dsn + "&application_name=" + name }
	var current atomic.Value
	current.Store(named("first"))
	s, err := store.Open(store.Options{DSN: named("first"), CurrentDSN: func() string { return current.Load().(string) }, MaxConnections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Migrate(t.Context(), store.Roles{}); err != nil {
		t.Fatal(err)
	}
	_, release, led, err := s.Lead(t.Context()) // which keeps its connection
	if err != nil || !led {
		t.Fatal(led, err)
	}
	defer release()
	current.Store(named("second"))
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	var names string
	err = storetest.SQL(t, dsn).QueryRowContext(t.Context(), `SELECT string_agg(application_name, ' ' ORDER BY application_name)
		FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ('first', 'second')`).Scan(&names)
	if err != nil || names != "first second" {
		t.Errorf("connections of %q, %v", names, err)
	}
	current.Store("postgres://u@h:port/d")
	if err := s.CheckDatabase(t.Context()); err != nil { // on a connection of its own
		t.Error(err)
	}
}
