package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"referral/test/citus"
	"referral/test/pgbouncer"
	"referral/test/pgproxy"
)

// shows waits until an admin page shows all of some patterns.
func (s *server) shows(page string, patterns ...string) {
	s.w.t.Helper()
	s.await(fmt.Sprintf("%s to show %q", page, patterns), page, func(answer *http.Response) (bool, string) {
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return false, err.Error()
		}
		for _, p := range patterns {
			if !regexp.MustCompile(p).Match(body) {
				return false, string(body)
			}
		}
		return true, ""
	})
}

// A statement that the database rejects whatever the data ends neither the process
// nor in silence: every part names it, and goes on once the cause is removed.
func TestRejectedStatementsAreNamed(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	w.send(registration(885, "2026-01-10T09:00:00Z"))
	w.drained()
	columns := map[string]string{"invoices": "currency", "run_chunks": "posting", "runs": "slot"}
	for table, column := range columns {
		w.execute(fmt.Sprintf("ALTER TABLE %s RENAME %s TO gone", table, column))
	}
	w.send(invoice(885, 1000))
	rejected := `rejects the statement \(SQLSTATE 42703\), at every try: the schema is not the one that this program knows`
	s.shows("/readyz", `consumer: .*`+rejected, `publisher: .*`+rejected, `scheduler: .*`+rejected)
	s.shows("/metrics", `referral_database_rejected_statements_total\{sqlstate="42703"\} [1-9]`)
	s.answers("/healthz", http.StatusOK)
	for table, column := range columns {
		w.execute(fmt.Sprintf("ALTER TABLE %s RENAME gone TO %s", table, column))
	}
	s.ready()
	w.drained()
	if n := w.number("SELECT count(*) FROM invoices"); n != 1 {
		t.Errorf("%d invoices, want 1", n)
	}
}

func (w *world) execute(statement string) {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), statement); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// behindTriggers changes the ledger as only a superuser can, on all nodes of a cluster.
func (w *world) behindTriggers(statements ...string) {
	w.t.Helper()
	err := pgx.BeginFunc(w.t.Context(), w.db, func(tx pgx.Tx) error {
		for _, statement := range citus.BehindTriggers(statements...) {
			tag, err := tx.Exec(w.t.Context(), statement)
			if err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
			if tag.RowsAffected() == 0 && slices.Contains(statements, statement) {
				return fmt.Errorf("%s: touches nothing", statement)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

const readOnlySentence = "the database is not fit: default_transaction_read_only is on"

func (w *world) readOnly(yes string) {
	w.t.Helper()
	w.asAdmin(fmt.Sprintf("ALTER DATABASE %s SET default_transaction_read_only = %s", w.name, yes))
}

// A database that cannot be worked on is refused by every command that opens it,
// in one line. Serve refuses at its start what a person must set up otherwise, and waits for a
// database that takes no writes.
func TestUnfitDatabaseIsRefused(t *testing.T) {
	w := newWorld(t)
	w.readOnly("on")
	for _, args := range [][]string{{"migrate"}, {"run", "2026-03"}, {"close", "2026-03", "--by", "finance"}, {"dead-letters", "replay", "--all"}} {
		checkExit(t, w.command(t.Context(), args...), 2, readOnlySentence)
	}
	waiting := w.launch(nil)
	waiting.shows("/readyz", "database: .*"+readOnlySentence)
	w.readOnly("off")
	waiting.ready()
	w.asAdmin(fmt.Sprintf("ALTER DATABASE %s SET standard_conforming_strings = off", w.name))
	s := w.launch(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-s.exited:
		if got := s.cmd.ProcessState.ExitCode(); got != 2 || !strings.Contains(s.log.tail(), "standard_conforming_strings is off") {
			t.Errorf("status %d, want 2 and the reason: %s", got, s.log.tail())
		}
	case <-ctx.Done():
		t.Error("serve goes on with a database that is set up otherwise")
	}
}

// One that comes up later and cannot be worked on is named in readiness, and used
// once it is fit; so is one that becomes unfit.
func TestUnfitDatabaseIsReportedAtRuntime(t *testing.T) {
	w := newWorld(t)
	proxy := pgproxy.New(t, w.dsn())
	proxy.SetUnavailable(true)
	s := w.launch([]string{"REFERRAL_DATABASE_DSN=" + asRole(t, proxy.DSN(), serviceRole)})
	s.answers("/readyz", http.StatusServiceUnavailable)
	w.readOnly("on")
	proxy.SetUnavailable(false)
	s.shows("/readyz", "database: .*"+readOnlySentence)
	w.readOnly("off")
	s.ready()
	w.readOnly("on")
	proxy.CutAll() // for a session keeps its settings
	s.shows("/readyz", "database: .*"+readOnlySentence)
	w.readOnly("off")
	proxy.CutAll()
	s.ready()
}

// dsn is how the program reaches the world's database.
func (w *world) dsn() string { return w.setting("REFERRAL_DATABASE_DSN") }

// Behind a pooler that keeps sessions the service does all its work; one that lends
// them out is refused by every command that opens the database.
func TestServiceBehindAPooler(t *testing.T) {
	w := newBareWorld(t)
	lending := "REFERRAL_DATABASE_DSN=" + pgbouncer.Start(t, w.dsn(), pgbouncer.Transaction) + "&default_query_exec_mode=cache_describe"
	for _, args := range [][]string{{"migrate"}, {"serve"}, {"run", "2026-03"}, {"run", "2026-03", "--dry-run"}, {"reconcile", "2026-03"}, {"dead-letters", "list"}} {
		cmd := w.command(t.Context(), args...)
		cmd.Env = append(cmd.Env, lending, "REFERRAL_HTTP_ADMIN=127.0.0.1:0", "REFERRAL_HTTP_CABINET=127.0.0.1:0")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		err := cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != 2 || !strings.Contains(stderr.String(), "set it to session pooling") {
			t.Errorf("%v: status %d, %v: %s", args, got, err, stderr.String())
		}
	}
	pooled := "REFERRAL_DATABASE_DSN=" + pgbouncer.Start(t, w.dsn(), pgbouncer.Session)
	w.variables = append(w.variables, pooled)
	w.must("migrate")
	w.launch([]string{pooled}).ready() // the pooler knows one role
	w.send(registration(885, "2026-01-10T09:00:00Z"), invoice(885, 1000))
	w.drained()
	w.must("run", "2026-03")
	w.published()
	if n := w.number("SELECT count(*) FROM runs WHERE state = 'done'"); n != 1 {
		t.Errorf("%d runs are done, want 1", n)
	}
}
