package store_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// keptTables is the tables that nothing is deleted from because of its age, and why.
var keptTables = map[string]string{
	"accounts": "fact", "activations": "fact", "invoices": "fact", "invoice_ids": "fact", "results": "fact", "topics": "names where facts came from",
	"codes": "what clients were given", "memberships": "what clients have entered", "referrals": "derived from facts", "discounts": "derived from facts",
	"package_grants": "derived from facts", "adjustments": "ledger", "sms_packages": "ledger",
	"document_resends": "history of the ledger", "document_write_offs": "history of the ledger", "operator_actions": "what persons did", "journal_checks": "a row a night", "proposals": "what persons did", "staff_decisions": "what persons did", "service_decisions": "what persons did",
	"imported_accounts": "facts", "imported_referrals": "facts", "imported_packages": "facts", "imported_discounts": "facts",
	"signatures": "what finance signed", "signed_totals": "what finance signed", "signed_reports": "what finance signed",
	"suspicions": "replaced by each search", "suspicion_searches": "replaced by each search", "suspicions_seen": "what persons did",
	"booked_files": "a row a month", "not_booked": "replaced when the period is booked again",
	"forecasts": "a few hundred rows a month", "forecast_actuals": "a few rows a month",
	"periods": "a row a month", "runs": "a few rows a month", "run_chunks": "tells which documents are published",
	"stale": "deleted by the run that settles the account", "held_lines": "replaced by the run that settles the account",
	"outbox": "deleted when the broker has it", "dead_letter_outcomes": "deleted with its dead letter",
	"topic_ids": "a row a topic", "programme_state": "one row", "goose_db_version": "a row a migration", "schema_programs": "a row a release",
}

// A table is made with a decision about how long its rows stay, in the program and
// in the manual.
func TestEveryTableHasARetention(t *testing.T) {
	t.Parallel()
	_, dsn := storetest.Open(t, nil)
	rows, err := storetest.SQL(t, dsn).Query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, manual, _ := strings.Cut(string(text), "\n## Retention\n")
	manual, _, _ = strings.Cut(manual, "\n## ")
	undecided := maps.Clone(keptTables)
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		_, kept := keptTables[table]
		if expires := slices.Contains(store.RetentionTables(), table); expires == kept {
			t.Errorf("%s: give it a retention rule, or a reason to be kept, and not both", table)
		}
		if !strings.Contains(manual, "`"+table+"`") {
			t.Errorf("docs/operations.md does not say how long %s is kept", table)
		}
		delete(undecided, table)
	}
	if rows.Err() != nil || len(undecided) > 0 {
		t.Errorf("no such tables: %v, %v", slices.Sorted(maps.Keys(undecided)), rows.Err())
	}
}

// expire deletes from one table alone.
func expire(t testing.TB, s *store.Store, table string, keep time.Duration) (rows int64) {
	t.Helper()
	s.DeleteExpired(t.Context(), map[string]time.Duration{table: keep}, func(name string, n int64, err error) {
		if name != table {
			return
		}
		if rows = n; err != nil {
			t.Error(err)
		}
	})
	return rows
}

// keepAll is how long to keep the rows of every table.
func keepAll(keep time.Duration) map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, table := range store.RetentionTables() {
		all[table] = keep
	}
	return all
}

// Rows are kept for ten days at 2026-05-20 12:00, addresses for five.
var retained = []struct {
	table   string
	fill    string
	rows    string // of one column
	left    string
	deleted int64
}{
	{"sessions", `INSERT INTO sessions (id, account_id, hint, created_at, seen_at, expires_at, ends_at)
		SELECT sha256(a::text::bytea), a, '', e, e, e, e FROM (VALUES (1, timestamptz '2026-05-10 11:59'), (2, '2026-05-10 12:00'), (3, '2026-05-20 12:30')) v (a, e)`,
		"SELECT account_id FROM sessions", "2 3", 1},
	{"staff_sessions", `INSERT INTO staff_sessions (id, subject, name, roles, hint, created_at, seen_at, expires_at, ends_at)
		SELECT sha256(s::bytea), s, '', '{finance}', '', e, e, e, e FROM (VALUES ('1', timestamptz '2026-05-10 11:59'), ('2', '2026-05-10 12:00'), ('3', '2026-05-20 12:30')) v (s, e)`,
		"SELECT subject FROM staff_sessions", "2 3", 1},
	{"code_tries", `INSERT INTO code_tries (scope, subject, window_ends, tries, allowed) VALUES
		('account', 'old', '2026-05-10 11:59', 3, 5), ('account', 'young', '2026-05-10 12:00', 3, 5), ('account', 'old', '2026-05-21', 3, 5)`,
		"SELECT subject || '-' || date(window_ends) FROM code_tries", "old-2026-05-21 young-2026-05-10", 1},
	{"invitation_days", `INSERT INTO invitation_days VALUES (1, '2026-05-09', 1), (1, '2026-05-10', 1), (1, '2026-05-20', 1), (2, '2026-01-01', 1)`,
		"SELECT day FROM invitation_days", "2026-05-10 2026-05-20", 2},
	{"client_requests", `INSERT INTO client_requests (account_id, key, digest, taken_at, claimed_at, answer)
		SELECT a, gen_random_uuid(), gen_random_uuid(), e, e, '' FROM (VALUES (1, timestamptz '2026-05-10 11:59'), (2, '2026-05-10 12:01')) v (a, e)`,
		"SELECT account_id FROM client_requests", "2", 1},
	{"invitation_parts", `INSERT INTO invitation_parts (carrier, carrier_id, account_id, invitation_id, noted_at) VALUES
		('smpp', 'stray', NULL, NULL, '2026-05-10 11:59'), ('smpp', 'stray-young', NULL, NULL, '2026-05-19'), ('smpp', 'ours', 1, gen_random_uuid(), '2026-01-01')`,
		"SELECT carrier_id FROM invitation_parts", "ours stray-young", 1},
	{"invitations.recipient", `INSERT INTO invitations (account_id, invitation_id, channel, recipient, recipient_key, code, day, state, next_try_at, token, token_hash, created_at, changed_at)
		SELECT a, gen_random_uuid(), 'sms', 'number', '', 'C', date(e), s, e, 'token', '', e, e FROM (VALUES (1, 'sent', timestamptz '2026-05-01'), (2, 'queued', '2026-05-01'),
			(3, 'sending', '2026-05-01'), (4, 'failed', '2026-05-15 11:59'), (5, 'unknown', '2026-05-15 12:00'), (6, 'opted_out', '2026-05-01'), (7, 'delivered', '2026-05-11')) v (a, s, e)`,
		"SELECT account_id || recipient || token FROM invitations", "1 2numbertoken 3numbertoken 4 5numbertoken 6 7", 4},
	// The rows are those of the line before: 1 and 6 have lost their addresses.
	{"invitations", `INSERT INTO invitation_parts (carrier, carrier_id, account_id, invitation_id, noted_at)
		SELECT 'smpp', 'part-' || account_id, account_id, invitation_id, created_at FROM invitations`,
		"SELECT carrier_id FROM invitation_parts WHERE carrier_id LIKE 'part%'", "part-2 part-3 part-4 part-5 part-7", 2},
	{"recipients", `INSERT INTO recipients VALUES ('old', '2026-05-09', NULL), ('young', '2026-05-10', NULL), ('opted out', '2026-01-01', '2026-01-01')`,
		"SELECT convert_from(recipient_key, 'UTF8') FROM recipients", "opted out young", 1},
	{"dead_letters", `INSERT INTO dead_letters (id, topic, partition, "offset", headers, sent_at, reason, detail, set_aside_at, published_at, state) OVERRIDING SYSTEM VALUE
		SELECT i, 't', 0, i, '[]', e, 'r', 'd', e, p, s FROM (VALUES (1, 'resolved', timestamptz '2026-05-01', timestamptz '2026-05-01'), (2, 'discarded', '2026-05-01', '2026-05-01'),
			(3, 'discarded', '2026-05-01', NULL), (4, 'waiting', '2026-05-01', '2026-05-01'), (5, 'replayed', '2026-05-01', '2026-05-01'), (6, 'resolved', '2026-05-10 12:00', '2026-05-11')) v (i, s, e, p);
		INSERT INTO dead_letter_outcomes SELECT id, topic, partition, "offset", sent_at, set_aside_at, true FROM dead_letters`,
		"SELECT d.id || '-' || count(o.taken) FROM dead_letters d FULL JOIN dead_letter_outcomes o ON d.id = o.dead_letter_id GROUP BY d.id", "3-1 4-1 5-1 6-1", 2},
	{"slots", `INSERT INTO slots VALUES ('old', '2026-05-10 11:59'), ('young', '2026-05-10 12:00')`, "SELECT slot FROM slots", "young", 1},
	{"reconciliations", `INSERT INTO reconciliations VALUES (202601, '2026-02-01', 1), (202601, '2026-02-02', 2), (202604, '2026-05-01', 3), (202604, '2026-05-02', 4), (202604, '2026-05-20', 5)`,
		"SELECT breaks FROM reconciliations", "2 5", 3},
	{"rehearsed_amounts", `INSERT INTO run_orders (order_id, period, what, "full", requested_by, requester_subject, requested_at, state, finished_at) OVERRIDING SYSTEM VALUE
			SELECT i, p, w, false, 'A', 'a', '2026-05-01', s, f FROM (VALUES (1, 202604, 'rehearse', 'done', timestamptz '2026-05-01'), (2, 202604, 'rehearse', 'done', '2026-05-02'),
				(3, 202604, 'run', 'done', '2026-05-02'), (4, 202604, 'rehearse', 'waiting', NULL), (5, 202603, 'rehearse', 'done', '2026-05-10 12:00'), (6, 202603, 'rehearse', 'failed', '2026-05-01')) v (i, p, w, s, f);
		INSERT INTO rehearsed_amounts SELECT order_id, 1, 885, 0, 0, 0, 0, 0, '{}' FROM run_orders WHERE order_id < 6`,
		"SELECT order_id FROM rehearsed_amounts", "4 5", 3},
	{"run_orders", "SELECT", "SELECT order_id FROM run_orders", "2 4 5", 3},
	{"parked_accounts", `INSERT INTO runs (run_id, period, posting_period, kind, state, started_at, finished_at) OVERRIDING SYSTEM VALUE VALUES
			(1, 202603, 202603, 'regular', 'incomplete', '2026-04-01', '2026-04-01'), (2, 202603, 202603, 'differences', 'incomplete', '2026-04-02', '2026-04-02'),
			(3, 202603, 202603, 'full', 'abandoned', '2026-04-03', '2026-04-03'),
			(4, 202604, 202604, 'regular', 'incomplete', '2026-05-01', '2026-05-10 12:00'), (5, 202604, 202604, 'differences', 'done', '2026-05-12', '2026-05-12'),
			(6, 202602, 202602, 'regular', 'incomplete', '2026-03-01', '2026-03-01'), (7, 202602, 202602, 'full', 'posting', '2026-05-19', NULL);
		INSERT INTO parked_accounts (run_id, account_id, invoice_id, period, error, parked_at)
			SELECT run_id, a, i, period, 'e', started_at FROM runs, (VALUES (1, ''), (1, 'INV'), (2, '')) v (a, i)`,
		"SELECT run_id || '-' || count(*) FROM parked_accounts GROUP BY run_id", "2-3 3-3 4-3 5-3 6-3 7-3", 3},
}

// What is old and final is deleted, and nothing else: neither what is young, nor
// what waits, nor what is the newest of its kind.
func TestOldRowsAreDeleted(t *testing.T) {
	t.Parallel()
	s, dsn := storetest.Open(t, func() time.Time { return at("2026-05-20T12:00:00Z") })
	db := storetest.SQL(t, dsn)
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("SET timezone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	var covered []string
	for _, c := range retained {
		covered = append(covered, c.table)
		if _, err := db.Exec(c.fill); err != nil {
			t.Fatalf("%s: %v", c.table, err)
		}
		keep := 10 * 24 * time.Hour
		if c.table == "invitations.recipient" {
			keep /= 2
		}
		if n := expire(t, s, c.table, 0); n != 0 {
			t.Errorf("%s: %d rows were deleted that are kept whatever their age", c.table, n)
		}
		if n, again := expire(t, s, c.table, keep), expire(t, s, c.table, keep); n != c.deleted || again != 0 {
			t.Errorf("%s: %d and then %d rows were deleted, want %d and 0", c.table, n, again, c.deleted)
		}
		var left string
		if err := db.QueryRow("SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM (" + c.rows + ") AS rows (r)").Scan(&left); err != nil || left != c.left {
			t.Errorf("%s: left are %s (%v), want %s", c.table, left, err, c.left)
		}
	}
	covered = append(covered, "accounts.personal_data") // by TestTerminatedAccountsAreErased
	if !slices.Equal(covered, store.RetentionTables()) {
		t.Errorf("covered are %v, want %v", covered, store.RetentionTables())
	}
}

// A large table is emptied by small transactions, by several processes at once,
// while clients work with it; a row that somebody has locked waits for the next time.
func TestALargeTableIsDeletedInBatches(t *testing.T) {
	t.Parallel()
	const old = 3500
	now := at("2026-05-20T12:00:00Z")
	s, dsn := storetest.Open(t, func() time.Time { return now })
	db := storetest.SQL(t, dsn)
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO sessions SELECT sha256(i::text::bytea), i, '', e, e, e, e FROM generate_series(1, %d) i, (SELECT timestamptz '2026-05-01') v (e)`, old),
		"CREATE TABLE deletions (n bigint)",
		`CREATE FUNCTION note_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO deletions SELECT count(*) FROM gone; RETURN NULL; END $$`,
		"CREATE TRIGGER note_deletion AFTER DELETE ON sessions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_deletion()",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	locking, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer locking.Rollback() //nolint:errcheck // it is committed below
	if _, err := locking.Exec("SELECT 1 FROM sessions WHERE account_id = 7 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var deleted, opened atomic.Int64
	clients, emptied := context.WithCancel(t.Context())
	defer emptied()
	var writers errgroup.Group
	for range 3 {
		writers.Go(func() error {
			for clients.Err() == nil {
				n := opened.Add(1)
				mine := models.Session{ID: models.SessionID{byte(n), byte(n >> 8), byte(n >> 16)}, AccountID: 885, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Minute), EndsAt: now.Add(time.Hour)}
				if err := s.OpenSession(t.Context(), mine); err != nil {
					return err
				}
				mine.SeenAt = now.Add(time.Second)
				if err := s.TouchSession(t.Context(), mine, now); err != nil {
					return err
				}
			}
			return nil
		})
	}
	together(t, 3, func(int) error {
		deleted.Add(expire(t, s, "sessions", 24*time.Hour))
		return nil
	})
	emptied()
	if err := writers.Wait(); err != nil {
		t.Error(err)
	}
	if deleted.Load() != old-1 {
		t.Errorf("%d rows were deleted, want all but the one that is locked", deleted.Load())
	}
	if err := locking.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := expire(t, s, "sessions", 24*time.Hour); n != 1 {
		t.Errorf("then %d rows were deleted, want 1", n)
	}
	var largest, sum, left int64
	err = db.QueryRow("SELECT max(n), sum(n), (SELECT count(*) FROM sessions) FROM deletions").Scan(&largest, &sum, &left)
	if err != nil || largest != 1000 || sum != old || left != opened.Load() {
		t.Errorf("at most %d of %d at once, %d of %d left, %v", largest, sum, left, opened.Load(), err)
	}
}

// Old rows of what grows with the clients are found by an index, the oldest first.
func TestOldRowsAreFoundByIndex(t *testing.T) {
	t.Parallel()
	_, dsn := storetest.Open(t, nil)
	db := storetest.SQL(t, dsn)
	db.SetMaxOpenConns(1)
	const moments = " FROM generate_series(1, 20000) i, LATERAL (SELECT timestamptz '2026-01-01' + i * interval '10 minutes') v (e)"
	for _, fill := range []string{
		"INSERT INTO sessions SELECT sha256(i::text::bytea), i, '', e, e, e, e" + moments,
		"INSERT INTO code_tries SELECT 'account', i, e, 1, 5" + moments,
		"INSERT INTO invitation_days SELECT i, e, 1" + moments,
		"INSERT INTO client_requests SELECT i, gen_random_uuid(), gen_random_uuid(), e, e" + moments,
		"INSERT INTO invitation_parts SELECT 'smpp', i, CASE WHEN i % 100 > 0 THEN i END, gen_random_uuid(), '', e" + moments,
		`INSERT INTO invitations (account_id, invitation_id, channel, recipient, recipient_key, code, day, state, next_try_at, token_hash, created_at, changed_at)
			SELECT i, gen_random_uuid(), 'email', CASE WHEN i % 2 = 0 THEN 'a' ELSE '' END, '', 'C', e, 'sent', e, '', e, e` + moments,
		"INSERT INTO recipients SELECT sha256(i::text::bytea), e, CASE WHEN i % 2 = 0 THEN e END" + moments,
		`INSERT INTO dead_letters (topic, partition, "offset", headers, sent_at, reason, detail, set_aside_at, published_at, state)
			SELECT 't', 0, i, '[]', e, 'r', 'd', e, e, CASE WHEN i % 2 = 0 THEN 'waiting' ELSE 'resolved' END` + moments,
		"ANALYZE",
	} {
		if _, err := db.Exec(fill); err != nil {
			t.Fatalf("%s: %v", fill, err)
		}
	}
	for table, index := range map[string]string{
		"sessions": "sessions_expired", "code_tries": "code_tries_over", "invitation_days": "invitation_days_by_day", "client_requests": "client_requests_old",
		"invitation_parts": "invitation_parts_of_nobody", "invitations.recipient": "invitations_remembered", "invitations": "invitations_forgotten",
		"recipients": "recipients_by_day", "dead_letters": "dead_letters_final",
	} {
		plan := planOf(t, db, store.RetentionStatement(table), at("2026-03-01T00:00:00Z"))
		if !strings.Contains(plan, index) || strings.Contains(plan, "Sort") {
			t.Errorf("%s: the plan is\n%s", table, plan)
		}
	}
}

// A failure with one table is none of another, and a table without a
// retention is named.
func TestTablesAreDeletedFromOneByOne(t *testing.T) {
	t.Parallel()
	s, dsn := storetest.Open(t, func() time.Time { return at("2026-05-20T12:00:00Z") })
	db := storetest.SQL(t, dsn)
	for _, statement := range []string{"ALTER TABLE sessions RENAME TO elsewhere", "INSERT INTO slots VALUES ('old', '2026-01-01')"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	keep := keepAll(24 * time.Hour)
	delete(keep, "recipients")
	var said []string
	s.DeleteExpired(t.Context(), keep, func(table string, rows int64, err error) {
		if err != nil || rows > 0 {
			said = append(said, fmt.Sprintf("%s %d %v", table, rows, err))
		}
	})
	if len(said) != 3 || !strings.Contains(said[0], "sessions 0") || !strings.Contains(said[0], "deleting old rows of sessions") ||
		said[1] != "recipients 0 no retention is given for recipients" || said[2] != "slots 1 <nil>" {
		t.Errorf("got %q", said)
	}
}

// A recipient that is not known any more can still opt out.
func TestOptingOutOfAnOldInvitation(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.invite(friend(1, 1))
	p.note(p.claim(1)[0].Claim, sent)
	p.wait(48 * time.Hour)
	if n := expire(t, p.Store, "recipients", 24*time.Hour); n != 1 {
		t.Fatalf("%d recipients were deleted", n)
	}
	p.optOut("token-1-1")
	again := friend(2, 1)
	again.Key, again.Day = friend(1, 1).Key, day("2026-05-04")
	p.refused(again, models.ErrOptedOut)
}
