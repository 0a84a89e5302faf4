package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/store"
	"referral/test/pgbouncer"
	"referral/test/storetest"
)

// unfit makes sure that a database is refused, to migrate and to work on, with a
// sentence that holds a text.
func unfit(t *testing.T, dsn, sentence string) {
	t.Helper()
	s := open(t, dsn)
	_, migrated := s.Migrate(t.Context(), store.Roles{})
	for what, err := range map[string]error{"migrate": migrated, "serve": s.CheckDatabase(t.Context())} {
		if !errors.Is(err, store.ErrUnfit) || !strings.Contains(err.Error(), sentence) {
			t.Errorf("%s: %v\nwant a refusal with %q", what, err, sentence)
		}
	}
}

func TestEncodingsAreRefused(t *testing.T) {
	t.Parallel()
	unfit(t, storetest.DSNOf(t, "ENCODING 'WIN1251' LOCALE 'C'"), "it stores text as WIN1251")
	unfit(t, storetest.DSNOf(t, "ENCODING 'SQL_ASCII' LOCALE 'C'"), "it stores text as SQL_ASCII")
}

func TestSettingsOfTheDatabaseAreChecked(t *testing.T) {
	t.Parallel()
	for setting, sentence := range map[string]string{
		"default_transaction_read_only = on":             "default_transaction_read_only is on",
		"search_path = pg_catalog":                       "search_path leads to schema pg_catalog",
		"standard_conforming_strings = off":              "standard_conforming_strings is off",
		"default_transaction_isolation = 'serializable'": "",
		"timezone = 'Europe/Moscow'":                     "",
		"datestyle = 'German'":                           "",
		"client_encoding = 'WIN1251'":                    "",
	} {
		dsn := storetest.DSN(t)
		alter(t, dsn, "SET "+setting)
		if sentence != "" {
			unfit(t, dsn, sentence)
			continue
		}
		// What the program sets by itself may be set otherwise.
		s := open(t, dsn)
		if _, err := s.Migrate(t.Context(), store.Roles{}); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
		if err := errors.Join(s.CheckDatabase(t.Context()), s.CheckSettings(t.Context())); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// alter changes a setting of a test's database.
func alter(t *testing.T, dsn, what string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if _, err := storetest.SQL(t, dsn).Exec(fmt.Sprintf("ALTER DATABASE %s %s", name, what)); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// A role that may not do what the service does is told which rights it lacks. One
// that only looks needs none to write.
func TestMissingRightsAreNamed(t *testing.T) {
	t.Parallel()
	s, dsn := storetest.Open(t, nil)
	name := role(t, dsn)
	db := storetest.SQL(t, dsn)
	service := open(t, as(t, dsn, name))
	if err := service.CheckDatabase(t.Context()); !errors.Is(err, store.ErrUnfit) || !strings.Contains(err.Error(), "SELECT on runs") {
		t.Errorf("without rights: %v", err)
	}
	if _, err := service.Migrate(t.Context(), store.Roles{}); !errors.Is(err, store.ErrUnfit) || !strings.Contains(err.Error(), "may not create tables") {
		t.Errorf("migrating without rights: %v", err)
	}
	if _, err := s.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*store.Store{s, service} {
		if err := who.CheckDatabase(t.Context()); err != nil {
			t.Errorf("with what migrate grants: %v", err)
		}
	}
	for revoked, lacks := range map[string]string{
		"UPDATE ON accounts": "the role lacks rights: UPDATE on accounts;", "INSERT ON adjustments": "INSERT on adjustments;",
		"USAGE ON SEQUENCE postings": "USAGE on postings;", "SELECT ON goose_db_version": "SELECT on goose_db_version;",
	} {
		if _, err := db.Exec("REVOKE " + revoked + " FROM " + name); err != nil {
			t.Fatal(err)
		}
		if err := service.CheckDatabase(t.Context()); !errors.Is(err, store.ErrUnfit) || !strings.Contains(err.Error(), lacks) {
			t.Errorf("without %s: %v", revoked, err)
		}
		if _, err := db.Exec("GRANT " + revoked + " TO " + name); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := store.Open(store.Options{DSN: as(t, dsn, name), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	if _, err := db.Exec("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM " + name); err != nil {
		t.Fatal(err)
	}
	if err := reader.CheckDatabase(t.Context()); err != nil {
		t.Errorf("to look only: %v", err)
	}
}

// The tables whose rights are checked are those that the migrations leave.
func TestRightsOfAllTablesAreChecked(t *testing.T) {
	t.Parallel()
	_, dsn := storetest.Open(t, nil)
	rows, err := storetest.SQL(t, dsn).Query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
		AND NOT relispartition AND relname <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	checked, found := store.CheckedTables(), 0
	for ; rows.Next(); found++ {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(" "+checked+" ", " "+name+" ") {
			t.Errorf("the rights on table %s are not checked", name)
		}
	}
	if err := rows.Err(); err != nil || found < 20 {
		t.Fatalf("%d tables, %v", found, err)
	}
}

// Transaction and statement pooling are refused in any way of running statements;
// session pooling passes, and the program works through it.
func TestPoolers(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{pgbouncer.Transaction, pgbouncer.Statement} {
		dsn := pgbouncer.Start(t, storetest.DSN(t), mode)
		for range 10 {
			unfit(t, dsn, "session pooling")
		}
		unfit(t, dsn+"&default_query_exec_mode=cache_describe", "session pooling")
		unfit(t, dsn+"&default_query_exec_mode=simple_protocol", "session pooling")
	}
	dsn := pgbouncer.Start(t, storetest.DSN(t), pgbouncer.Session)
	l := newLifeOn(t, dsn)
	if err := errors.Join(l.CheckDatabase(t.Context()), l.CheckSettings(t.Context())); err != nil {
		t.Fatal(err)
	}
	other := l.another()
	_, release, first, err := l.Lead(t.Context())
	if err != nil || !first {
		t.Fatalf("the first does not lead: %v", err)
	}
	if _, _, second, err := other.Lead(t.Context()); err != nil || second {
		t.Errorf("two lead at once: %v", err)
	}
	release()
	_, release, second, err := other.Lead(t.Context())
	if err != nil || !second {
		t.Fatalf("the second does not lead after the first: %v", err)
	}
	release()
	l.climb()
	if run := l.finish(l.start(models.RunRequest{Period: 202604}), l.pay); run.Totals.Documents == 0 {
		t.Errorf("the run came to %+v", run)
	}
	l.tie(202604)
}

// Where sessions are lent out all the same, one that leads hears within seconds that
// another has its session.
func TestLeaderNoticesThatItsSessionIsLentOut(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	dsn := pgbouncer.Start(t, l.dsn, pgbouncer.Transaction) + "&default_query_exec_mode=cache_describe"
	first, second := open(t, dsn), open(t, dsn)
	led, release, ok, err := first.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("the first does not lead: %v", err)
	}
	defer release()
	for ok = false; !ok; {
		var giveBack func()
		if _, giveBack, ok, err = second.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ok {
			defer giveBack()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-led.Done():
	case <-ctx.Done():
		t.Error("two lead by one session, and the first does not notice")
	}
}
