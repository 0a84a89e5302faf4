package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrUnfit says that the program must not work with a database as it is set up.
var ErrUnfit = errors.New("the database is not fit")

// ErrReadOnly is the [ErrUnfit] of a database that takes no writes and has no other fault:
// a standby that may be promoted, or a server that was made read-only for maintenance or
// because its disk is full.
var ErrReadOnly = fmt.Errorf("%w", ErrUnfit)

// purpose is what a database is opened for; a precondition may hold for several.
type purpose int

const (
	toMigrate purpose = 1 << iota
	toWork
	toRead
	toWrite    = toMigrate | toWork
	anyPurpose = toWrite | toRead
)

// precondition is something about a database that the program relies on.
type precondition struct {
	name   string
	when   purpose
	kind   error                     // what its failure wraps: [ErrUnfit] or [ErrReadOnly]
	query  string                    // an expression that gives a text
	advice func(found string) string // a sentence with what to do; empty when all is well
}

// preconditions are all that the program relies on and does not set itself. It needs no
// extension.
func preconditions(schema schemaName) []precondition {
	return []precondition{
		{"version", anyPurpose, ErrUnfit, "current_setting('server_version_num')", checkVersion},
		{"encoding", anyPurpose, ErrUnfit, "current_setting('server_encoding')", mustEqual("UTF8",
			"it stores text as %s, which cannot hold every name; create it with ENCODING 'UTF8' TEMPLATE template0")},
		{"client encoding", anyPurpose, ErrUnfit, "current_setting('client_encoding')", mustEqual("UTF8",
			"the connection's client_encoding is %s; let UTF8 through")},
		{"primary", toWrite, ErrReadOnly, "pg_is_in_recovery()::text", mustEqual("false",
			"it is a standby (pg_is_in_recovery is %s); name the primary in database.dsn")},
		{"read-only", toWrite, ErrReadOnly, "current_setting('default_transaction_read_only')", mustEqual("off",
			"default_transaction_read_only is %s; reset it for this role and database")},
		{"isolation", anyPurpose, ErrUnfit, "current_setting('default_transaction_isolation')", mustEqual("read committed",
			"default_transaction_isolation is %s although the program sets it; let its settings through")},
		{"time zone", anyPurpose, ErrUnfit, "current_setting('timezone')", mustEqual("UTC",
			"the session's time zone is %s although the program asks for UTC; let its settings through")},
		{"string literals", anyPurpose, ErrUnfit, "current_setting('standard_conforming_strings')", mustEqual("on",
			"standard_conforming_strings is %s; reset it for this role and database")},
		{"timestamps", anyPurpose, ErrUnfit, "current_setting('integer_datetimes')", mustEqual("on",
			"its timestamps are not integers (integer_datetimes is %s); use a server of the usual build")},
		{"schema", anyPurpose, ErrUnfit, "coalesce(current_schema(), 'none')", mustEqual(string(schema),
			"search_path leads to schema %s; it must lead to "+string(schema)+", where the tables are")},
		{"right to create", toMigrate, ErrUnfit, "coalesce(has_schema_privilege(to_regnamespace('" + string(schema) + "')::oid, 'CREATE'), false)::text", mustEqual("true",
			"the role may not create tables in schema "+string(schema)+", its right to do so is %s; run this command as the owner of the schema")},
		{"rights", toWork, ErrUnfit, missingRights(schema, false), lacks("database.role")},
		{"rights to read", toRead, ErrUnfit, missingRights(schema, true), lacks("database.role or database.reader_role")},
	}
}

func lacks(setting string) func(missing string) string {
	return func(missing string) string {
		if missing == "" {
			return ""
		}
		return "the role lacks rights: " + missing + "; name it in " + setting + " and run `referral migrate` as the owner of the schema"
	}
}

func mustEqual(value, sentence string) func(string) string {
	return func(found string) string {
		if found == value {
			return ""
		}
		return fmt.Sprintf(sentence, found)
	}
}

// oldestVersion is the oldest PostgreSQL that the tests run on.
const oldestVersion = 14

func checkVersion(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Sprintf("its version %q is not a number", number)
	}
	if n < oldestVersion*10_000 {
		return fmt.Sprintf("it is PostgreSQL %d.%d; the program needs %d or newer", n/10_000, n%10_000, oldestVersion)
	}
	return ""
}

// missingRights names the rights on tables and on the sequence that the role
// lacks, for all work or to look only. Tables that are not there are for the check of the
// schema's version.
func missingRights(schema schemaName, toLook bool) string {
	return fmt.Sprintf(`CASE WHEN has_schema_privilege(to_regnamespace('%[1]s')::oid, 'USAGE') THEN
	(SELECT coalesce(string_agg(lacking, ', '), '') FROM (
		SELECT r || ' on ' || t AS lacking FROM unnest(string_to_array('%[2]s', ' ')) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r
		WHERE to_regclass('%[1]s.' || t) IS NOT NULL AND NOT has_table_privilege(to_regclass('%[1]s.' || t), r)
			AND NOT (t = ANY (string_to_array('%[3]s', ', ')) AND r IN ('UPDATE', 'DELETE'))
			AND NOT (t = ANY (string_to_array('%[4]s', ', ')) AND r = 'DELETE')
			AND NOT (%[5]t AND (r <> 'SELECT' OR t = ANY (string_to_array('%[6]s', ', '))))
		UNION ALL SELECT 'SELECT on goose_db_version'
		WHERE to_regclass('%[1]s.goose_db_version') IS NOT NULL AND NOT has_table_privilege(to_regclass('%[1]s.goose_db_version'), 'SELECT')
		UNION ALL SELECT 'USAGE on postings'
		WHERE NOT %[5]t AND to_regclass('%[1]s.postings') IS NOT NULL AND NOT has_sequence_privilege(to_regclass('%[1]s.postings'), 'USAGE')
		ORDER BY 1) l)
	ELSE 'USAGE on schema %[1]s' END`, schema, strings.Join(tablesOf(migrations), " "), appendOnlyTables, undeletableTables, toLook, unreadTables)
}

var createTable = regexp.MustCompile(`(?m)^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)

// tablesOf is the tables that migrations create.
func tablesOf(files fs.FS) []string {
	var tables []string
	names, err := fs.Glob(files, "migrations/*.sql")
	for _, name := range names {
		var text []byte
		if text, err = fs.ReadFile(files, name); err != nil {
			break
		}
		for _, found := range createTable.FindAllSubmatch(text, -1) {
			tables = append(tables, string(found[1]))
		}
	}
	if err != nil {
		panic(fmt.Sprintf("store: the embedded migrations cannot be read: %v", err))
	}
	slices.Sort(tables)
	return slices.Compact(tables)
}

// CheckDatabase refuses a database on which the service cannot work, in one
// sentence that wraps [ErrUnfit]. Any other error says that it could not be asked.
func (s *Store) CheckDatabase(ctx context.Context) error {
	if s.readOnly {
		return s.checkDatabase(ctx, toRead)
	}
	err := s.checkDatabase(ctx, toWork)
	s.dropSessionsOfUnfitDatabase(err)
	return err
}

// dropSessionsOfUnfitDatabase drops the idle sessions of a database that is or was
// unfit: they may keep settings that have been corrected since.
func (s *Store) dropSessionsOfUnfitDatabase(err error) {
	unfit := errors.Is(err, ErrUnfit)
	if before := s.unfit.Swap(unfit); before || unfit {
		s.sql.SetMaxIdleConns(-1)
		s.sql.SetMaxIdleConns(s.idle)
	}
}

func (s *Store) checkDatabase(ctx context.Context, to purpose) (err error) {
	// A connection of its own, for the pool does not tell how it is connected. Without
	// prepared statements, any pooler lets the questions through.
	config := s.dial.config(s.direct)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer closeQuietly(conn)
	if err := s.checkSettings(ctx, conn, to); err != nil {
		return err
	}
	return checkPooler(ctx, conn, config)
}

// CheckSettings is CheckDatabase for a scrape: it uses a connection of the pool.
func (s *Store) CheckSettings(ctx context.Context) error {
	err := s.statement(ctx, "checking the settings of the database", func(conn *pgx.Conn) error { return s.checkSettings(ctx, conn, toWork) })
	s.dropSessionsOfUnfitDatabase(err)
	return err
}

// CheckCommits says that commits of the program's role wait for a synchronous standby that
// does not answer: nothing else shows why nothing is written.
func (s *Store) CheckCommits(ctx context.Context) error {
	var waiting int
	_, err := s.scan(ctx, "looking for commits that wait", []any{&waiting}, `SELECT count(*) FROM pg_stat_activity
		WHERE usename = current_user AND wait_event = 'SyncRep' AND state_change < clock_timestamp() - interval '5 seconds'`)
	if err == nil && waiting > 0 {
		err = fmt.Errorf("commits wait for a synchronous standby (%d): connect it, or take it out of synchronous_standby_names", waiting)
	}
	return err
}

func (s *Store) checkSettings(ctx context.Context, conn *pgx.Conn, to purpose) error {
	list := slices.DeleteFunc(preconditions(s.schema), func(p precondition) bool { return p.when&to == 0 })
	queries := make([]string, len(list))
	found, into := make([]string, len(list)), make([]any, len(list))
	for i, p := range list {
		queries[i], into[i] = p.query, &found[i]
	}
	if err := conn.QueryRow(ctx, "SELECT "+strings.Join(queries, ", ")).Scan(into...); err != nil {
		return fmt.Errorf("asking how the database is set up: %w", err)
	}
	return evaluate(list, found)
}

func evaluate(list []precondition, found []string) error {
	kind := ErrReadOnly
	var wrong []string
	for i, p := range list {
		if sentence := p.advice(found[i]); sentence != "" {
			wrong = append(wrong, sentence)
			if !errors.Is(p.kind, ErrReadOnly) {
				kind = ErrUnfit
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", kind, strings.Join(wrong, "; "))
	}
	return nil
}

func closeQuietly(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), leadPatience)
	defer cancel()
	_ = conn.Close(ctx)
}
