package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"referral/internal/demo/postgres"
	"referral/internal/subprocess"
)

// The commands of docs/operations.md make a synchronous standby, promote it, and make the
// old primary its standby. Commits go on each time.
func TestStandbyByTheManual(t *testing.T) {
	t.Parallel()
	primary, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	closing(t, primary.Stop)
	w := &world{t: t, variables: []string{"REFERRAL_DATABASE_DSN=" + primary.DSN("postgres")}}
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
