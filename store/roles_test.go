package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// newRoles are names of roles that are not there yet; those that exist after the test
// are dropped.
func newRoles(t testing.TB, dsn string) store.Roles {
	t.Helper()
	n := rand.Uint32()
	roles := store.Roles{Service: fmt.Sprintf("service_%08x", n), Reader: fmt.Sprintf("reader_%08x", n), Reporting: fmt.Sprintf("finance_%08x", n)}
	db := storetest.SQL(t, dsn)
	t.Cleanup(func() {
		for _, name := range []string{roles.Service, roles.Reader, roles.Reporting} {
			dropRole(t, db, name)
		}
	})
	return roles
}

func dropRole(t testing.TB, db *sql.DB, name string) {
	t.Helper()
	var there bool
	if err := db.QueryRow("SELECT to_regrole($1) IS NOT NULL", name).Scan(&there); err != nil {
		t.Error(err)
	}
	if !there {
		return
	}
	for _, statement := range []string{"DROP OWNED BY " + name, "DROP ROLE " + name} {
		if _, err := db.Exec(statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// Migrate makes the roles, and each may do what the table says and nothing else.
func TestRightsOfRoles(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	roles := newRoles(t, l.dsn)
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	migrate := func() {
		t.Helper()
		if _, err := l.Migrate(t.Context(), roles); err != nil {
			t.Fatal(err)
		}
	}
	migrate()
	// What somebody gave by hand is taken back.
	for _, name := range []string{roles.Service, roles.Reader, roles.Reporting} {
		for _, statement := range []string{
			"GRANT ALL ON ALL TABLES IN SCHEMA public, finance TO " + name, "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO " + name,
			"GRANT UPDATE (amount_minor) ON adjustments TO " + name, "GRANT ALL ON SCHEMA public, finance TO " + name, "ALTER ROLE " + name + " PASSWORD 'secret'",
		} {
			if _, err := l.db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	migrate()

	connected := map[byte]*sql.DB{
		'o': l.db, 's': storetest.SQL(t, as(t, l.dsn, roles.Service)), 'r': storetest.SQL(t, as(t, l.dsn, roles.Reader)), 'f': storetest.SQL(t, as(t, l.dsn, roles.Reporting)),
	}
	// On a cluster the tables behind a view are read with the rights of the role that asks,
	// and Citus lets nobody disable a trigger.
	otherwise, distributed := []string{"SELECT count(*) FROM adjustments", "ALTER TABLE adjustments DISABLE TRIGGER append_only"}, l.distributed()
	for _, c := range []struct{ may, statement string }{
		{"orf", "SELECT count(*) FROM finance.documents"},
		{"osrf", "SELECT count(*) FROM adjustment_items"},
		{"osr", "SELECT count(*) FROM adjustments"},
		{"osr", "SELECT count(*) FROM accounts"},
		{"osr", "SELECT max(version_id) FROM goose_db_version"},
		{"os", "SELECT count(*) FROM sessions"},
		{"os", "SELECT count(*) FROM staff_sessions"},
		{"os", "SELECT count(*) FROM client_requests"},
		{"os", "SELECT count(*) FROM invitations"},
		{"os", "SELECT count(*) FROM recipients"},
		{"os", "UPDATE accounts SET name = name"},
		{"os", "DELETE FROM slots"},
		{"os", "SELECT nextval('postings')"},
		{"os", "INSERT INTO adjustments SELECT * FROM adjustments WHERE false"},
		{"", "UPDATE adjustments SET amount_minor = 0"},
		{"", "DELETE FROM adjustments"},
		{"", "TRUNCATE adjustments"},
		{"", "DELETE FROM proposals"},
		{"o", "TRUNCATE slots"},
		{"o", "SELECT setval('postings', 1)"},
		{"o", "UPDATE goose_db_version SET is_applied = is_applied"},
		{"o", "CREATE TABLE mine ()"},
		{"o", "CREATE VIEW finance.mine AS SELECT 1"},
		{"o", "CREATE SCHEMA mine"},
		{"o", "ALTER TABLE accounts ADD mine text"},
		{"o", "ALTER TABLE adjustments DISABLE TRIGGER append_only"},
		{"o", "CREATE INDEX ON accounts (name)"},
		{"o", "DROP TABLE results CASCADE"},
		{"o", "CREATE ROLE mine_" + roles.Service},
		{"o", "SET session_replication_role = replica"},
	} {
		if distributed && slices.Contains(otherwise, c.statement) {
			continue
		}
		for who, db := range connected {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatalf("%c: %v", who, err)
			}
			_, err = tx.ExecContext(t.Context(), c.statement)
			if rolled := tx.Rollback(); rolled != nil {
				t.Fatal(rolled)
			}
			var pg *pgconn.PgError
			refused := errors.As(err, &pg) && pg.Code == "42501"
			if may := strings.ContainsRune(c.may, rune(who)); may != (err == nil) || !may && !refused {
				t.Errorf("%c: %s: %v", who, c.statement, err)
			}
		}
	}

	// A store that only looks opens as the reader; one that works does not.
	for readOnly, problem := range map[bool]string{true: "", false: "the role lacks rights: "} {
		s, err := store.Open(store.Options{DSN: as(t, l.dsn, roles.Reader), MaxConnections: 4, ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		err = s.CheckDatabase(t.Context())
		if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("read-only %t: %v", readOnly, err)
		}
	}
}

// A role that may not make others says which statement an administrator must run, and
// does not take its own rights away.
func TestRolesThatCannotBeMade(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	db := storetest.SQL(t, dsn)
	owner := role(t, dsn)
	var name string
	if err := db.QueryRow("SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("ALTER DATABASE " + name + " OWNER TO " + owner + "; GRANT CREATE ON SCHEMA public TO PUBLIC"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = db.Exec("ALTER DATABASE " + name + " OWNER TO CURRENT_USER") })
	s := open(t, as(t, dsn, owner))
	_, err := s.Migrate(t.Context(), store.Roles{Service: owner})
	if err == nil || !strings.Contains(err.Error(), "database.role: "+owner+" is the role that migrate runs as") {
		t.Errorf("its own role: %v", err)
	}
	roles := newRoles(t, dsn)
	create := `CREATE ROLE "` + roles.Service + `" LOGIN`
	_, err = s.Migrate(t.Context(), roles)
	if err == nil || !strings.Contains(err.Error(), "database.role: there is no role "+roles.Service) || !strings.Contains(err.Error(), "`"+create+"`") {
		t.Errorf("without the right: %v", err)
	}
	if _, err := db.Exec(create + " CREATEDB"); err != nil {
		t.Fatal(err)
	}
	roles.Reader, roles.Reporting = "", ""
	if _, err := s.Migrate(t.Context(), roles); err != nil {
		t.Fatal(err)
	}
	excess, err := s.ExcessRights(t.Context(), roles)
	told := strings.Join(excess, "\n")
	for _, want := range []string{"may create tables: REVOKE CREATE ON SCHEMA public FROM " + roles.Service + ", PUBLIC", "may create databases: ALTER ROLE " + roles.Service + " NOCREATEDB"} {
		if err != nil || len(excess) != 2 || !strings.Contains(told, "database.role: the role "+roles.Service+" "+want) {
			t.Errorf("excess is %q, %v; want %q", excess, err, want)
		}
	}
}
