package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"referral/internal/demo/fakebilling"
	"referral/internal/demo/postgres"
	"referral/internal/subprocess"
	"referral/internal/toolcache"
)

// A database that is lost after two months were settled and published is restored to
// what it was after the first, as docs/operations.md says: everything is taken again, also
// codes and requests that no input topic has, and settled and published with the same ids.
// What retention has removed comes from an archive.
func TestDatabaseIsRestored(t *testing.T) {
	t.Parallel()
	t.Run("from a dump", func(t *testing.T) {
		database, err := postgres.Start(t.Context(), postgres.Options{Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, database.Stop)
		w := newWorldOn(t, servers{database.DSN("postgres"), environment.broker})
		w.must("migrate")
		m := w.manual("A dump")
		m.isRestored(func() {}, func() { m.follow() }, func() {
			m.archive = filepath.Join(t.TempDir(), "archive")
			w.must("archive", m.archive)
			for _, topic := range append(inputKeys(), "events", "discounts", "packages") {
				w.deleteRecords(w.topics[topic], toEnd)
			}
			w.db.Reset()
			w.asAdmin("DROP DATABASE "+w.name+" WITH (FORCE)", "DROP ROLE "+serviceRole)
			m.follow()
			w.asAdmin("CREATE DATABASE " + w.name + " TEMPLATE template0")
		})
	})
	t.Run("from a base backup and archived WAL", func(t *testing.T) {
		t.Parallel()
		m := (&world{t: t}).manual("A base backup and archived WAL")
		database, err := postgres.Start(t.Context(), postgres.Options{Settings: m.settings()})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, database.Stop)
		m.w = newWorldOn(t, servers{database.DSN("postgres"), environment.broker})
		m.w.must("migrate")
		m.shell = append(m.shell, "PGDATA="+m.w.text("SHOW data_directory"))
		m.isRestored(func() { m.follow() }, func() { m.shell = append(m.shell, "MOMENT="+m.w.text("SELECT clock_timestamp()::text")) }, func() {
			if _, err := m.w.db.Exec(t.Context(), "DROP TABLE adjustments CASCADE"); err != nil {
				t.Fatal(err)
			}
			m.follow()
			m.w.db.Reset()
			if err := database.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.w.until("the end of the recovery", func() (bool, string) { return m.w.text("SELECT pg_is_in_recovery()::text") == "false", "" })
		})
	})
}

// isRestored plays a season. The database is backed up at a time of its own, and lost
// after the second phase; what it is restored to is the end of the first.
func (m *manual) isRestored(atStart, afterFirst, lose func()) {
	const inviter, invitee = 9001, 9002
	w, s := m.w, loadSpring(m.w.t)
	first, second := &s.phases[0], &s.phases[1]
	m.billing = w.startBilling()
	atStart()
	c := &portalWorld{world: w}
	address := c.startProvider(w.t, "/referral", nil)
	server := w.launch(append(signInAt(c.identity), "REFERRAL_HTTP_CABINET="+address))
	server.ready()
	w.send(w.messages(first.registrations)...)
	w.send(w.messages(first.rest)...)
	w.drained()
	w.must("run", "2026-03")
	w.published()
	afterFirst()

	half := len(second.rest) / 2
	w.send(w.messages(append(second.registrations, second.rest[:half]...))...)
	w.drained()
	for _, period := range runs(1) { // facts come between two runs of a month
		w.must("run", period)
	}
	w.published()
	w.send(w.messages(second.rest[half:])...)
	w.send(client(inviter, "Резервация", before(9)), client(invitee, "Новые окна", before(9)))
	w.learnCodes(inviter, invitee)
	c.post(invitee, "/api/v1/activations", fmt.Sprintf(`{"code":%q}`, w.codes[inviter]))
	w.drained()
	for _, period := range runs(1) {
		w.must("run", period)
	}
	w.published()
	if o := w.program("recover", "--by", "Anna"); o.status != 2 || !strings.Contains(o.stderr, "stop it first") {
		w.t.Errorf("recovering beside the service: status %d, %s", o.status, o.stderr)
	}
	lost, told := w.documentContents(), w.codesAndReferrals()
	if status := server.stop(); status != 0 {
		w.t.Fatalf("stopped with status %d", status)
	}
	lose()
	if n := m.follow(); n == 0 || len(m.blocks) > 0 {
		w.t.Errorf("%d commands were the last, %d blocks are left", n, len(m.blocks))
	}
	if again := w.codesAndReferrals(); !maps.Equal(again, told) {
		w.t.Errorf("clients had been told %d codes and referrals, %d are there after the database was restored, not all the same", len(told), len(again))
	}
	want := s.wanted(w, 1)
	if !maps.Equal(w.insideLines(), want.lines) || !maps.Equal(w.insidePackages(), want.packages) {
		w.t.Error("the ledger is not that of the undisturbed life")
	}
	if again := w.documentContents(); !maps.Equal(again, lost) {
		w.t.Errorf("%d documents had been published, %d are posted after it was restored, not all with the same ids and contents", len(lost), len(again))
	}
}

// manual is the commands of a section of docs/operations.md.
type manual struct {
	w       *world
	folder  string               // in place of /srv
	blocks  []string             // still to be carried out
	shell   []string             // its environment
	billing *fakebilling.Billing // that the restored program reconciles with
	archive string               // of what retention has removed from the topics; empty for none
}

var codeBlock = regexp.MustCompile("(?s)```(ini|sh)\n(.*?)```")

func (w *world) manual(section string) *manual {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		w.t.Fatal(err)
	}
	_, commands, found := strings.Cut(string(text), "\n### "+section+"\n")
	commands, _, _ = strings.Cut(commands, "\n##")
	folder, err := os.MkdirTemp("", "referral-srv-") // the server's user must get there
	if err != nil || !found {
		w.t.Fatalf("section %q: %t, %v", section, found, err)
	}
	w.t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			w.t.Error(err)
		}
	})
	tool, err := toolcache.PostgreSQL(w.t.Context(), w.t.Output())
	if err != nil {
		w.t.Fatal(err)
	}
	m := &manual{w: w, folder: folder, shell: append(tool.Env, "PATH="+tool.BinDir+":"+os.Getenv("PATH"))}
	for _, path := range []string{folder, filepath.Join(folder, "wal"), filepath.Join(folder, "backup")} {
		if err := errors.Join(os.MkdirAll(path, 0o700), os.Chmod(path, 0o777)); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, block := range codeBlock.FindAllStringSubmatch(commands, -1) {
		m.blocks = append(m.blocks, strings.ReplaceAll(block[2], "/srv/", folder+"/"))
	}
	return m
}

// next is the block that is carried out now.
func (m *manual) next() string {
	m.w.t.Helper()
	if len(m.blocks) == 0 {
		m.w.t.Fatal("the manual has no further commands")
	}
	block := m.blocks[0]
	m.blocks = m.blocks[1:]
	return block
}

// settings is a block of settings of the database server.
func (m *manual) settings() map[string]string {
	m.w.t.Helper()
	settings := map[string]string{"fsync": "off"}
	for line := range strings.Lines(m.next()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		settings[name] = strings.Trim(value, "'")
	}
	return settings
}

// kept is the option that names the archive.
func (m *manual) kept() []string {
	if m.archive == "" {
		return nil
	}
	return []string{"--archive", m.archive}
}

// follow carries out the next block: what is for the shell by the shell, as the user
// of the database server. It gives the number of the program's own commands.
func (m *manual) follow() (ours int) {
	w := m.w
	w.t.Helper()
	var script strings.Builder
	for line := range strings.Lines(m.next()) {
		command, _, _ := strings.Cut(line, " #")
		switch args := strings.Fields(command); {
		case strings.HasPrefix(command, "referral recover"):
			m.run(script.String())
			script.Reset()
			w.must(append([]string{"recover", "--by", "Anna"}, m.kept()...)...)
			ours++
		case strings.HasPrefix(command, "referral serve"):
			w.serve()
			w.drained()
			ours++
		case strings.HasPrefix(command, "referral rebuild"):
			w.prove(m.kept()...)
			ours++
		case strings.HasPrefix(command, "referral "):
			for _, period := range runs(1) {
				w.must(args[1], period)
			}
			w.published()
			w.answered(m.billing, w.number("SELECT (SELECT count(*) FROM adjustments) + (SELECT count(*) FROM sms_packages)"))
			ours++
		default:
			script.WriteString(line)
		}
	}
	m.run(script.String())
	return ours
}

func (m *manual) run(script string) {
	m.w.t.Helper()
	if strings.TrimSpace(script) == "" {
		return
	}
	cmd := exec.CommandContext(context.WithoutCancel(m.w.t.Context()), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.SysProcAttr = m.folder, subprocess.Unprivileged()
	cmd.Env = slices.Concat(m.shell, []string{"LC_ALL=C.UTF-8", "ADMIN=" + m.w.servers.dsn, "OWNER=" + m.w.dsn(), "REPLICATION=" + m.w.servers.dsn})
	if out, err := cmd.CombinedOutput(); err != nil {
		m.w.t.Fatalf("%v of the manual's\n%s\n%s", err, script, out)
	}
}

// text is what a query gives.
func (w *world) text(sql string) (text string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), sql).Scan(&text); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// codesAndReferrals is what clients have been told: which code is whose, and which was
// accepted from whom.
func (w *world) codesAndReferrals() map[string]string {
	w.t.Helper()
	told := map[string]string{}
	for _, row := range query[struct{ What, Of string }](w, `
		SELECT 'code ' || code AS what, account_id::text AS of FROM codes
		UNION ALL SELECT 'activation of ' || account_id, concat_ws(' ', code, requested_at, inviter_id) FROM activations WHERE status = 'accepted'`) {
		told[row.What] = row.Of
	}
	return told
}

// documentContents is what all documents of the ledger say, by their ids.
func (w *world) documentContents() map[string]string {
	w.t.Helper()
	contents := map[string]string{}
	for _, row := range query[struct{ ID, Content string }](w, `
		SELECT adjustment_id::text, concat_ws(' ', account_id, invoice_id, sequence, period, posting_period, reason, amount_minor, items) FROM adjustments
		UNION ALL SELECT package_id::text, concat_ws(' ', account_id, sms, granted_on, period, posting_period, invoice_id, step) FROM sms_packages`) {
		contents[row.ID] = row.Content
	}
	return contents
}
