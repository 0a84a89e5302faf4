package store_test

import (
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// Installations in schemas of one database share no table, lock, sequence or view.
func TestSchemasOfOneDatabaseShareNothing(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	db := storetest.SQL(t, dsn)
	service := role(t, dsn)
	schemas := []string{"", "brand_a", "brand_b"}
	stores := make([]*store.Store, len(schemas))
	for i, schema := range schemas {
		s, err := store.Open(store.Options{DSN: dsn, Schema: schema, MaxConnections: 4})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores[i] = s
	}
	together(t, len(stores), func(i int) error {
		_, err := stores[i].Migrate(t.Context(), store.Roles{Service: service})
		return err
	})

	var public, other int
	counted := `SELECT count(*) FILTER (WHERE n.nspname IN ('public', 'finance')), count(*) FILTER (WHERE n.nspname IN ('brand_b', 'brand_b_finance'))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`
	if err := db.QueryRow(counted).Scan(&public, &other); err != nil || public != other || public == 0 {
		t.Errorf("%d tables, views, indexes and sequences in public, %d in the schema of a brand, %v", public, other, err)
	}
	var crossing string
	err := db.QueryRow(`SELECT coalesce(string_agg(DISTINCT v.nspname || ' uses ' || r.nspname, ', '), '') FROM pg_depend d
		JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class vc ON vc.oid = w.ev_class JOIN pg_namespace v ON v.oid = vc.relnamespace
		JOIN pg_class rc ON rc.oid = d.refobjid JOIN pg_namespace r ON r.oid = rc.relnamespace
		WHERE v.nspname LIKE 'brand%' AND r.nspname <> 'pg_catalog' AND split_part(v.nspname, '_finance', 1) <> split_part(r.nspname, '_finance', 1)`).Scan(&crossing)
	if err != nil || crossing != "" {
		t.Errorf("%s %v", crossing, err)
	}

	// Each has a publisher of its own at the same time, and its own accounts.
	for i, s := range stores {
		if err := s.CheckDatabase(t.Context()); err != nil {
			t.Errorf("schema %q: %v", schemas[i], err)
		}
		if err := s.CheckSchema(t.Context()); err != nil {
			t.Errorf("schema %q: %v", schemas[i], err)
		}
		_, release, led, err := s.Lead(t.Context())
		if err != nil || !led {
			t.Fatalf("schema %q: led %t, %v", schemas[i], led, err)
		}
		defer release()
	}
	var keys int
	err = db.QueryRow(`SELECT count(DISTINCT (classid, objid)) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&keys)
	if err != nil || keys != len(stores) {
		t.Errorf("%d locks, want one for each of %d, %v", keys, len(stores), err)
	}
	rules := programme(t)
	fact := &models.Fact{At: time.Unix(0, 0), Data: models.Registered{AccountID: 885, RegisteredAt: time.Unix(0, 0)}}
	if _, err := stores[1].Ingest(t.Context(), []models.DecodedMessage{{Fact: fact}}, rules.Derive(func() string { return "CODE1" })); err != nil {
		t.Fatal(err)
	}
	for schema, want := range map[string]int{"public": 0, "brand_a": 1, "brand_b": 0} {
		var accounts int
		if err := db.QueryRow("SELECT count(*) FROM " + schema + ".accounts").Scan(&accounts); err != nil || accounts != want {
			t.Errorf("schema %s has %d accounts, want %d, %v", schema, accounts, want, err)
		}
	}

	// The service's role may work in each, and a schema that is not there is named.
	limited, err := store.Open(store.Options{DSN: as(t, dsn, service), Schema: "brand_a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = limited.Close() })
	if err := limited.CheckDatabase(t.Context()); err != nil {
		t.Error(err)
	}
	missing, err := store.Open(store.Options{DSN: dsn, Schema: "brand_c"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = missing.Close() })
	if err := missing.CheckDatabase(t.Context()); err == nil || !strings.Contains(err.Error(), "it must lead to brand_c") {
		t.Errorf("a schema that is not there: %v", err)
	}
}
