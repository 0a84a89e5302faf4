package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"referral/billing"
	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

func open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// role makes a role that may log in, dropped with the test.
func role(t testing.TB, dsn string) string {
	t.Helper()
	name := fmt.Sprintf("service_%08x", rand.Uint32())
	db := storetest.SQL(t, dsn)
	if _, err := db.Exec("CREATE ROLE " + name + " LOGIN PASSWORD 'secret'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropRole(t, db, name) })
	return name
}

func as(t testing.TB, dsn, name string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, "secret")
	return u.String()
}

// Ten programs that start at once on an empty database all succeed, and grant the
// service its rights.
func TestMigrationsAtOnce(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	name := role(t, dsn)
	versions := make([]int64, 10)
	stores := make([]*store.Store, len(versions))
	for i := range stores {
		stores[i] = open(t, dsn)
	}
	together(t, len(stores), func(i int) (err error) {
		versions[i], err = stores[i].Migrate(t.Context(), store.Roles{Service: name})
		return err
	})
	for _, v := range versions {
		if v != versions[0] || v < 1 {
			t.Errorf("versions %v", versions)
		}
	}
	if err := stores[0].CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

// A program refuses a schema that it does not know, and says what to do.
func TestCheckSchema(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	s := open(t, dsn)
	check := func(what string, says ...string) {
		t.Helper()
		err := s.CheckSchema(t.Context())
		if err == nil {
			t.Fatalf("%s was accepted", what)
		}
		for _, words := range says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q does not say %q", what, err, words)
			}
		}
	}
	check("an empty database", "version 0", "referral migrate")
	db := storetest.SQL(t, dsn)
	var tables int
	if err := db.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("looking has left %d tables, %v", tables, err)
	}
	version, err := s.Migrate(t.Context(), store.Roles{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("the newest schema: %v", err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)"); err != nil {
		t.Fatal(err)
	}
	check("a newer schema", "version 999", fmt.Sprint(version), "newer program")
	if _, err := s.Migrate(t.Context(), store.Roles{}); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("migrating a newer schema: %v", err)
	}

	// One that a later release of this minor version has made, and one of the next.
	if _, err := db.Exec("INSERT INTO schema_programs (version, oldest_program) VALUES (999, $1)", version); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Errorf("a schema that this program works on: %v", err)
	}
	if got, err := s.Migrate(t.Context(), store.Roles{}); err != nil || got != 999 {
		t.Errorf("migrating it: version %d, %v", got, err)
	}
	if _, err := db.Exec("INSERT INTO schema_programs (version, oldest_program) VALUES (1000, 1000)"); err != nil {
		t.Fatal(err)
	}
	check("a schema on its way to one that this program does not work on", "version 999", "newer program")
}

// The role that serves can do all that the service does, and nothing else.
func TestServiceRoleCanServe(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	name := role(t, l.dsn)
	if _, err := l.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	l.dsn = as(t, l.dsn, name)
	l = l.another()
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	l.facts(april(885, 2, 100), models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV-2026-04-885", 1), AccountID: 885, Status: models.ResultApplied, At: l.now})
	l.take(models.DecodedMessage{Message: models.Message{At: l.now}, Err: &models.InputError{Reason: models.BadUnreadable}})
	l.settle(models.RunRequest{Period: 202604, Full: true, Accept: true})
	ctx := t.Context()
	refs, err := l.UnpublishedChunks(ctx, 10)
	if err != nil || len(refs) == 0 {
		t.Fatalf("%v, %v", refs, err)
	}
	events, err := l.OutboxEvents(ctx, 10)
	if err != nil || len(events) == 0 {
		t.Fatalf("%v, %v", events, err)
	}
	letter := l.asides()[0]
	led, release, ok, err := l.Lead(ctx)
	if err != nil || !ok || led.Err() != nil {
		t.Fatal(ok, err)
	}
	release()
	claim, err := l.ClaimRequest(ctx, request(885, "k", "x"), keep, patience)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"MarkPublished":            l.MarkPublished(ctx, refs[0], l.now),
		"DropOutboxEvents":         l.DropOutboxEvents(ctx, []int64{events[0].Seq}),
		"MarkDeadLettersPublished": l.MarkDeadLettersPublished(ctx, []int64{letter.ID}, l.now),
		"ReplayDeadLetter": l.ReplayDeadLetter(ctx, letter.ID, nil, models.OperatorAction{Who: "Anna", What: models.ActionReplay, Subject: models.DeadLetterSubject(letter.ID)},
			func(models.Message) error { return nil }),
		"RecordReconciliation": l.RecordReconciliation(ctx, 202604, models.ReconciliationReport{CheckedAt: l.now, Wrong: 1}),
		"ReplaceForecast":      l.ReplaceForecast(ctx, models.Forecast{MadeFor: 202604, MadeAt: l.now, Costs: []models.Cost{{CostKey: models.CostKey{Month: 202604, Kind: models.Invitee}}}}),
		"ReplaceActualCosts":   l.ReplaceActualCosts(ctx, 202604, []models.Cost{{CostKey: models.CostKey{Month: 202604, Kind: models.Invitee}}}),
		"ReplaceSuspicions": l.ReplaceSuspicions(ctx, models.SuspicionSearch{At: l.now}, []models.Suspicion{{
			Fingerprint: models.Digest{1}, Signs: []models.SuspicionSign{models.SuspiciousRing}, Referrals: []models.Referral{{InviterID: 885, InviteeID: 886}},
		}}),
		"MarkSuspicionSeen": third(l.MarkSuspicionSeen(ctx, models.Digest{1}, "Anna", models.RoleFinance, "a test")),
		"KeepJournalCheck":  l.KeepJournalCheck(ctx, &models.JournalCheck{Entries: 1, Last: 1}, &models.OperatorAction{Who: "Anna", What: models.ActionCheckJournal, Subject: "1"}),
		"CheckSchema":       l.CheckSchema(ctx),
		"LoadChunk":         second(l.LoadChunk(ctx, refs[0])),
		"ClosePeriod":       second(l.closes(202604, "Anna", "test")),
		"RecordAction":      l.RecordAction(ctx, models.OperatorAction{Who: "Anna", What: models.ActionClose, Subject: "2026-04"}),
		"AdoptTerms":        second(l.AdoptTerms(ctx, "terms", l.derive)),
		"Stats":             second(l.Stats(ctx)),
		"JoinWithoutCode":   l.JoinWithoutCode(ctx, 885),
		"ReserveAttempt":    second(l.ReserveAttempt(ctx, tries("885", 5, l.now.Add(time.Hour)))),
		"ReturnAttempt":     l.ReturnAttempt(ctx, tries("885", 5, l.now.Add(time.Hour))),
		"AnswerRequest":     l.AnswerRequest(ctx, claim, []byte("y")),
		"AbandonRequest":    l.AbandonRequest(ctx, claim),
		"Periods":           second(l.Periods(ctx)),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	l.DeleteExpired(ctx, keepAll(keep), func(table string, _ int64, err error) {
		if err != nil {
			t.Errorf("deleting from %s: %v", table, err)
		}
	})
	l.publishAll()
	l.answer(package885, models.ResultRejected)
	if _, _, err := l.resend(package885); err != nil {
		t.Error(err)
	}
	l.publishAll()
	if _, _, err := l.writeOff(package885); err != nil {
		t.Error(err)
	}
	if refused := l.breaks(202604); len(refused) != 1 || refused[0].Kind != billing.BreakAnsweredLess {
		t.Errorf("the audit finds %v", refused)
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// Nobody changes what was posted: not the service, nor the owner of the tables.
// The role of the service has no right that a trigger of a table would refuse.
func TestRightsFollowTheTriggers(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	name := role(t, l.dsn)
	if _, err := l.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	const guarded = `SELECT count(*), coalesce(string_agg(tgrelid::regclass::text, ' ') FILTER (WHERE
			has_table_privilege($1, tgrelid, 'DELETE') OR has_table_privilege($1, tgrelid, 'TRUNCATE') OR cardinality(tgattr::smallint[]) = 0 AND has_table_privilege($1, tgrelid, 'UPDATE')), '')
		FROM pg_trigger WHERE tgname = 'append_only'`
	var tables int
	var excess string
	if err := l.db.QueryRow(guarded, name).Scan(&tables, &excess); err != nil || tables < 11 || excess != "" {
		t.Errorf("of %d tables that cannot be changed the service may change: %s (%v)", tables, excess, err)
	}
}

func TestLedgerIsAppendOnly(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	name := role(t, l.dsn)
	if _, err := l.Migrate(t.Context(), store.Roles{Service: name}); err != nil {
		t.Fatal(err)
	}
	l.climb()
	l.settle(models.RunRequest{Period: 202604})
	l.facts(models.Result{AdjustmentID: billing.AdjustmentID(202604, "INV-2026-04-885", 1), AccountID: 885, Status: models.ResultApplied, At: l.now})
	if _, err := l.closes(202604, "Anna", "for the test"); err != nil {
		t.Fatal(err)
	}
	l.publishAll()
	l.answer(adjustment885, models.ResultRejected)
	if _, _, err := l.writeOff(adjustment885); err != nil {
		t.Fatal(err)
	}
	before := l.everything()
	for who, db := range map[string]*sql.DB{"the owner": l.db, "the service": storetest.SQL(t, as(t, l.dsn, name))} {
		for _, table := range []string{"adjustments", "sms_packages", "results", "operator_actions", "document_write_offs", "signatures", "signed_totals", "signed_reports", "journal_checks"} {
			column := "amount_minor = 0"
			switch table {
			case "sms_packages":
				column = "step = 0"
			case "document_write_offs":
				column = "reason = ''"
			case "operator_actions", "signatures", "journal_checks":
				column = "who = 'nobody'"
			case "signed_totals":
				column = "posted_amount = 0"
			case "signed_reports":
				column = "report = '{}'"
			}
			for _, statement := range []string{
				"UPDATE " + table + " SET " + column, "DELETE FROM " + table, "DELETE FROM " + table + " WHERE false", "TRUNCATE " + table,
				"INSERT INTO " + table + " OVERRIDING SYSTEM VALUE SELECT * FROM " + table + " LIMIT 1 ON CONFLICT ON CONSTRAINT " + table + "_pkey DO UPDATE SET " + column,
			} {
				if strings.HasSuffix(statement, "WHERE false") && l.distributed() {
					continue // no node is asked to change nothing
				}
				_, err := db.Exec(statement)
				var pg *pgconn.PgError
				if !errors.As(err, &pg) || pg.Code != "42501" {
					t.Errorf("%s: %s: %v", who, statement, err)
				}
			}
		}
	}
	for _, statement := range []string{
		"CREATE TABLE mine ()", "DROP TABLE results", "ALTER TABLE adjustments DISABLE TRIGGER append_only", "UPDATE goose_db_version SET version_id = 0",
		"DROP FUNCTION ledger_is_append_only CASCADE", "TRUNCATE accounts", "SET session_replication_role = replica",
	} {
		if _, err := storetest.SQL(t, as(t, l.dsn, name)).Exec(statement); err == nil {
			t.Errorf("the service may %s", statement)
		}
	}
	if l.everything() != before {
		t.Error("something was changed")
	}
}

// A service may start before its database does, and says so in plain words.
func TestOpenAsksNothing(t *testing.T) {
	t.Parallel()
	s := open(t, "postgres://nobody:hunter2@127.0.0.1:1/none?connect_timeout=1")
	if err := s.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v: want an error without the password", err)
	}
	if _, err := store.Open(store.Options{DSN: "postgres://u:hunter2@[bad"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v: want an error without the password", err)
	}
}

// A statement that takes too long is ended by the server.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	s, err := store.Open(store.Options{DSN: l.dsn, StatementTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	release := l.hold("LOCK TABLE runs")
	defer release()
	if _, _, err := s.StartRun(t.Context(), models.RunRequest{Period: 202604, Chunk: 1}); err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("%v, want a cancelled statement", err)
	}
}

// An index of a large table takes longer than any statement of the service may.
func TestMigrationsTakeTheirTime(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t)
	s, err := store.Open(store.Options{DSN: dsn, MaxConnections: 4, StatementTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	db := storetest.SQL(t, dsn)
	// Every index from now on notes the limit that it is built under.
	for _, statement := range []string{
		"CREATE TABLE limits (command text, value text)",
		`CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$
			BEGIN INSERT INTO limits VALUES (tg_tag, current_setting('statement_timeout')); END $$`,
		"CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('CREATE INDEX', 'ALTER TABLE') EXECUTE FUNCTION note()",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Migrate(t.Context(), store.Roles{}); err != nil {
		t.Fatal(err)
	}
	var unlimited, all int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FILTER (WHERE value = '0'), count(*) FROM limits").Scan(&unlimited, &all); err != nil {
		t.Fatal(err)
	}
	if unlimited != all || all == 0 {
		t.Errorf("%d of %d changes had all the time that they need", unlimited, all)
	}
}

// The views show lines and items as they were sent and posted, whatever the texts
// hold, and their role sees nothing else.
func TestReportingViews(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	name := role(t, l.dsn)
	l.climb()
	const hostile = "tab\there, line\nthere, \\t and \\b"
	bill := april(885, 2, 100000, -50, 300000)
	bill.Lines[0].ID, bill.Lines[1].Service = hostile, hostile
	bill.Lines[1].From, bill.Lines[1].To = day("2026-03-31"), day("2026-03-31")
	l.facts(bill)
	l.settle(models.RunRequest{Period: 202604})
	if _, err := l.Migrate(t.Context(), store.Roles{Reporting: name}); err != nil {
		t.Fatal(err)
	}
	reader := storetest.SQL(t, as(t, l.dsn, name))
	type line struct {
		no       int
		id       string
		service  string
		from, to time.Time
		amount   models.Money
	}
	rows, err := reader.Query(`SELECT line_no, line_id, service, from_day, to_day, amount_minor FROM invoice_lines
		WHERE account_id = 885 AND period = 202604 AND revision = 2 ORDER BY line_no`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var got line
		if err := rows.Scan(&got.no, &got.id, &got.service, &got.from, &got.to, &got.amount); err != nil {
			t.Fatal(err)
		}
		l := bill.Lines[n]
		if want := (line{n + 1, l.ID, l.Service, l.From.Time(), l.To.Time(), l.Amount}); !reflect.DeepEqual(got, want) {
			t.Errorf("line %d is shown as %+v, want %+v", n+1, got, want)
		}
	}
	if err := rows.Err(); err != nil || n != len(bill.Lines) {
		t.Errorf("%d lines, %v", n, err)
	}
	var amount, items models.Money
	var days string
	err = reader.QueryRow(`SELECT sum(amount_minor), count(*), min(segments) FROM adjustment_items WHERE account_id = 885 AND period = 202604`).Scan(&amount, &items, &days)
	if posted := l.number("SELECT sum(amount_minor)::bigint FROM adjustments WHERE account_id = 885"); err != nil || int64(amount) != posted || items == 0 || days == "" {
		t.Errorf("%d items of %s with the days %q, posted %d, %v", items, amount, days, posted, err)
	}
	if l.distributed() {
		return // there the tables behind a view are read with the rights of who asks
	}
	for _, table := range strings.Fields(store.CheckedTables()) {
		_, err := reader.Exec("SELECT 1 FROM " + table)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("the reporting role reads %s: %v", table, err)
		}
	}
}
