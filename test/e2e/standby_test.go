package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/internal/demo/postgres"
	"referral/internal/subprocess"
	"referral/store"
)

// The commands of docs/operations.md make a synchronous standby, promote it, and make the
// old primary its standby. Commits go on each time. Those that wait for a standby are named.
func TestStandbyByTheManual(t *testing.T) {
	t.Parallel()
	primary, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, primary.Stop)
	w := &world{t: t, binary: environment.program, config: ourConfig(), variables: []string{"REFERRAL_DATABASE_DSN=" + primary.DSN("postgres")}}
	m := w.manual("A synchronous standby")
	blocks := slices.Concat(m.blocks, w.manual("Promoting the standby").blocks, w.manual("The old primary as the new standby").blocks)
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of commands, not 5", len(blocks))
	}
	createRole, copyPrimary, await, promote, again := blocks[0], blocks[1], blocks[2], blocks[3], blocks[4]
	address, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	first := primary.DSN("postgres")
	second := at(t, first, address)
	follow := func(script, primary, standby, data string) {
		t.Helper()
		w.servers.dsn = primary // the superuser in the place of the replicator
		m.run("PRIMARY='" + primary + "' STANDBY='" + standby + "' PGDATA='" + filepath.Join(m.folder, data) + "' REPLICATION='" + primary + "'\n" + script)
	}
	start := func(address, data string) {
		t.Helper()
		_, port, _ := strings.Cut(address, ":")
		directory := filepath.Join(m.folder, data)
		m.run("pg_ctl start --silent --wait --pgdata='" + directory + "' --log='" + directory + ".log' -o '-c port=" + port + " -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c jit=off -c fsync=off'")
		t.Cleanup(func() { m.run("pg_ctl stop --silent --mode=immediate --pgdata='" + directory + "'") })
	}
	write := func(dsn, statement string) {
		t.Helper()
		m.run("psql '" + dsn + "' --quiet -v ON_ERROR_STOP=1 -c '" + statement + "'")
	}

	follow(createRole, first, second, "db2")
	follow(copyPrimary, first, second, "db2")
	start(address, "db2")
	follow(await, first, second, "db2")
	// A copy that was taken now would wait for a standby, too.
	write(second, "ALTER SYSTEM SET synchronous_standby_names = \"*\"")
	write(first, "CREATE TABLE kept (n int)")

	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	follow(promote, first, second, "db2")
	write(second, "INSERT INTO kept VALUES (1)")

	if err := os.Mkdir(filepath.Join(m.folder, "db1"), 0o700); err != nil {
		t.Fatal(err)
	}
	follow(again, second, first, "db1")
	start(primary.Address(), "db1")
	follow(await, second, first, "db1")
	write(second, "INSERT INTO kept VALUES (2)")

	db, err := store.Open(store.Options{DSN: second})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, db.Close)
	if err := db.CheckCommits(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := db.Migrate(t.Context(), store.Roles{}); err != nil {
		t.Fatal(err)
	}
	write(second, "ALTER SYSTEM SET synchronous_standby_names = absent")
	write(second, "SELECT pg_reload_conf()")
	waiting := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), second)
		if err == nil {
			_, err = conn.Exec(t.Context(), "INSERT INTO kept VALUES (3)")
			err = errors.Join(err, conn.Close(t.Context()))
		}
		waiting <- err
	}()
	w.until("commits that wait are named", func() (bool, string) {
		err := db.CheckCommits(t.Context())
		return err != nil && strings.Contains(err.Error(), "commits wait for a synchronous standby (1)"), fmt.Sprint(err)
	})
	said := &transcript{}
	decision := w.command(t.Context(), "classify-service", "telephony", "excluded", "--by", "anna", "--reason", "not a service of the cloud PBX")
	decision.Env, decision.Stderr = append(decision.Env, "REFERRAL_DATABASE_DSN="+second), said
	if err := decision.Start(); err != nil {
		t.Fatal(err)
	}
	w.until("the command says that it waits", func() (bool, string) {
		return strings.Contains(said.all(), "commits wait for a synchronous standby (2)"), said.all()
	})
	write(second, "ALTER SYSTEM RESET synchronous_standby_names")
	write(second, "SELECT pg_reload_conf()")
	if err := errors.Join(<-waiting, decision.Wait(), db.CheckCommits(t.Context())); err != nil {
		t.Errorf("%v: %s", err, said.all())
	}
}

// at is a connection string with another address.
func at(t *testing.T, dsn, address string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = address
	return u.String()
}
