package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"referral/internal/toolcache"
	"referral/test/kafkaserver"
	"referral/test/pki"
	"referral/test/toolchain"
)

// duty is somebody who is on call, with the runbook and a shell.
type duty struct {
	*world
	commands []string          // of docs/runbook.md that are not carried out yet
	values   map[string]string // of the words in capitals, and what stands for an example
	shell    []string          // the environment
}

// runbookCommand is a command in a sentence. timedatectl needs a systemd that runs, and
// openssl is not a part of every machine.
var runbookCommand = regexp.MustCompile("`((?:referral|kafka-[a-z]+\\.sh|curl|SELECT|df) [^`]+)`")

// newDuty has every command that the runbook names in the PATH.
func newDuty(w *world) *duty {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "runbook.md"))
	if err != nil {
		w.t.Fatal(err)
	}
	d := &duty{world: w, values: map[string]string{}}
	for _, m := range runbookCommand.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(d.commands, m[1]) {
			d.commands = append(d.commands, m[1])
		}
	}
	folder := w.t.TempDir()
	if err := kafkaserver.Tools(w.t.Context(), folder, w.t.Output()); err != nil {
		w.t.Fatal(err)
	}
	config, err := filepath.Abs(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\" --config '%s'\n", w.binary, config)
	if err := os.WriteFile(filepath.Join(folder, "referral"), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
		w.t.Fatal(err)
	}
	server, err := toolcache.PostgreSQL(w.t.Context(), w.t.Output())
	if err != nil {
		w.t.Fatal(err)
	}
	curl, err := toolchain.Client(w.t.Context(), w.t.Output(), "curl", "--version")
	if err != nil {
		w.t.Fatal(err)
	}
	d.shell = slices.Concat(w.variables, server.Env, curl.Env, []string{"PATH=" + strings.Join([]string{folder, server.BinDir, curl.BinDir, os.Getenv("PATH")}, ":")})
	return d
}

// does carries out a command as it stands in the runbook. It must end with a status and
// say something.
func (d *duty) does(command string, status int, says string) {
	d.t.Helper()
	i := slices.Index(d.commands, command)
	if i < 0 {
		d.t.Errorf("docs/runbook.md does not name `%s`", command)
		return
	}
	d.commands = slices.Delete(d.commands, i, i+1)
	line := regexp.MustCompile(`INV-1|\b[A-Z]+(:PORT)?\b|127\.0\.0\.1:9090|\b1\b`).ReplaceAllStringFunc(command, func(word string) string {
		if value, known := d.values[word]; known {
			return value
		}
		return word
	})
	if strings.HasPrefix(line, "SELECT ") {
		line = fmt.Sprintf(`psql --no-psqlrc --command="%s" "%s"`, strings.ReplaceAll(command, "\n", " "), d.dsn())
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eo", "pipefail", "-c", line)
	cmd.Env = d.shell
	said, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status || !strings.Contains(string(said), says) {
		d.t.Errorf("`%s`: status %d, want %d and %q: %s", line, got, status, says, said)
	}
}

// Every command of the runbook is carried out as it stands there, where there is something
// for it to do.
func TestTheRunbookIsFollowed(t *testing.T) {
	authority, err := pki.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := pki.Replace(certificate, authority.PEM()); err != nil {
		t.Fatal(err)
	}
	c := newPortalWorld(t, "REFERRAL_INVITATIONS_EMAIL_SMTP_CA_FILE="+certificate)
	w, s := c.world, c.server
	d := newDuty(w)
	discounted(w)
	document := w.adjustments()[0]
	held := bill(885, 202603, 100)
	held.value = bytes.Replace(held.value, []byte("subscription"), []byte("hologram"), 1)
	held.value = bytes.Replace(held.value, []byte("INV-"), []byte("HELD-"), 1)
	w.send(held, answer(document.ID, 885, 0, "rejected", "2026-04-02T09:00:00Z"),
		fact("registered", "/pbx", "pbx.registered.v1", "r-902", 902, `{"account_id":902}`), fact("registered", "/pbx", "pbx.registered.v1", "r-903", 903, `{"account_id":903}`))
	w.drained()
	letter := func() string {
		return strconv.Itoa(w.number("SELECT min(id) FROM dead_letters WHERE state = 'waiting'"))
	}
	d.values = map[string]string{
		"PERIOD": "2026-03", "SERVICE": "hologram", "ISSUER": c.identity.Issuer(), "NAME": "finance", "TEXT": "'a test'", "127.0.0.1:9090": s.admin, "HOST:PORT": w.servers.broker, "ID": "1", "INV-1": "INV-2026-03-885",
		"DOCUMENT": document.ID, "DIRECTORY": filepath.Join(t.TempDir(), "archive"), "1": letter(),
		"FILE": w.file("message.json", bytes.Replace(registration(902, "2026-03-02T09:00:00Z").value, []byte("r-902"), []byte("corrected"), 1)),
		"HASH": w.text("SELECT encode(hash, 'hex') FROM operator_actions ORDER BY entry DESC LIMIT 1"),
	}
	w.must("archive", d.values["DIRECTORY"])

	d.does("SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2", 0, "active")
	d.does("SELECT pid, pg_blocking_pids(pid), wait_event_type, query FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0", 0, "row")
	d.does("SELECT pid, state, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)", 0, "row")
	d.does("SELECT * FROM operator_actions WHERE entry = 5", 0, "row")
	d.does("SELECT account_id, adjustment_id, reason, at FROM results WHERE status = 'rejected' ORDER BY at DESC LIMIT 20", 0, document.ID)
	d.does("df -h", 0, "/")
	d.does("referral migrate", 0, "")
	d.does("referral check-config", 0, "kafka:")
	d.does("referral terms apply --dry-run", 0, "")
	d.does("referral terms apply --by NAME --reason TEXT", 0, "")
	d.does("referral audit verify", 0, "")
	d.does("referral audit verify --head HASH", 0, "")
	d.does("referral explain account 885", 0, "885")
	d.does("referral explain invoice INV-1", 0, document.ID)

	d.does("referral dead-letters list", 0, "902")
	d.does("referral dead-letters show 1", 0, "902")
	d.does("referral dead-letters replay 1 --value FILE --by NAME --reason TEXT", 0, "")
	w.drained()
	d.values["1"] = letter()
	d.does("referral dead-letters discard 1 --by NAME --reason TEXT", 0, "")

	d.does("referral reconcile PERIOD", 1, "rejected")
	d.does("referral run PERIOD --dry-run", 0, "")
	d.does("referral run PERIOD", 0, "")
	d.does("referral classify-service SERVICE discounted --by NAME --reason TEXT", 0, "hologram")
	d.does("referral run PERIOD --accept --by NAME --reason TEXT", 0, "")
	d.does("referral resend DOCUMENT --by NAME --reason TEXT", 0, "")
	w.published()
	w.send(answer(document.ID, 885, 0, "rejected", "2026-04-03T09:00:00Z"))
	w.drained()
	d.does("referral write-off DOCUMENT --by NAME --reason TEXT", 0, "")

	d.does("kafka-topics.sh --bootstrap-server HOST:PORT --describe --under-replicated-partitions", 0, "")
	d.endsTransaction()

	d.does("referral archive DIRECTORY --verify", 0, "")
	d.does("referral archive DIRECTORY --restore", 0, "")
	w.drained()
	d.does("referral rebuild --verify --archive DIRECTORY", 0, "")
	w.until("the held lines to be shown", func() (bool, string) {
		return strings.Contains(s.page("/metrics"), "referral_programme_held_lines{"), "they are not"
	})
	for _, command := range slices.Clone(d.commands) {
		if strings.HasPrefix(command, "curl -sS ") {
			d.does(command, 0, "")
		}
	}
	for _, command := range d.commands {
		t.Errorf("the command `%s` of docs/runbook.md is not carried out", command)
	}
}

// endsTransaction ends the transaction of a producer that is gone.
func (d *duty) endsTransaction() {
	d.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(d.servers.brokers()...), kgo.TransactionalID(d.name))
	if err != nil {
		d.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		d.t.Fatal(err)
	}
	m := registration(904, "2026-01-10T09:00:00Z")
	sent, err := client.ProduceSync(d.t.Context(), &kgo.Record{Topic: d.topics[m.topic], Key: []byte(m.key), Value: m.value}).First()
	if err != nil {
		d.t.Fatal(err)
	}
	d.values["TOPIC"], d.values["N"], d.values["OFFSET"] = sent.Topic, fmt.Sprint(sent.Partition), fmt.Sprint(sent.Offset)
	d.does("kafka-transactions.sh --bootstrap-server HOST:PORT find-hanging --broker-id ID", 0, "")
	d.does("kafka-transactions.sh --bootstrap-server HOST:PORT abort --topic TOPIC --partition N --start-offset OFFSET", 0, "")
	d.send(registration(905, "2026-01-10T09:00:00Z"))
	d.drained()
}
