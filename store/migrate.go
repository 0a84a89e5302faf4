package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

func (s *Store) provider(db *sql.DB) (*goose.Provider, error) {
	files, err := s.schema.migrations()
	if err != nil {
		return nil, fmt.Errorf("opening the migrations: %w", err)
	}
	// Without the lock, half of several processes that start at once fail. They ask
	// for it every second, for two hours: so long an index may take.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 7200), lock.WithLockID(advisoryLock(lock.DefaultLockID).in(s.schema)))
	if err != nil {
		return nil, fmt.Errorf("making the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	return p, wrap("reading the migrations", err)
}

// Migrate brings the schema to the newest version and returns it. Any number of
// processes may do so at once. A newer schema is left as it is: it is refused, unless
// the program that made it says that this one works on it. Roles that are missing are made, and
// exactly their rights are granted.
func (s *Store) Migrate(ctx context.Context, roles Roles) (int64, error) {
	if err := s.createSchema(ctx); err != nil {
		return 0, err
	}
	if err := s.checkDatabase(ctx, toMigrate); err != nil {
		return 0, err
	}
	if err := s.createRoles(ctx, roles); err != nil {
		return 0, err
	}
	db := s.dial.pool(s.unlimited)
	defer db.Close() //nolint:errcheck // nothing is pending on it
	p, err := s.provider(db)
	if err != nil {
		return 0, err
	}
	have, newest, err := s.schemaVersions(ctx, p)
	if err != nil || have > newest {
		return have, err
	}
	// Replicas of the release before may start while the migration is under way.
	if err := s.declarePrograms(ctx, newest); err != nil {
		return 0, err
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, fmt.Errorf("migrating the schema: %w", err)
	}
	if err := s.declarePrograms(ctx, newest); err != nil {
		return 0, err
	}
	if err := s.grant(ctx, roles); err != nil {
		return 0, err
	}
	return p.GetDBVersion(ctx)
}

// CheckSchema refuses a database whose schema is older than this program needs, or newer
// than it can work on.
func (s *Store) CheckSchema(ctx context.Context) error {
	p, err := s.provider(s.sql)
	if err != nil {
		return err
	}
	have, newest, err := s.schemaVersions(ctx, p)
	if err == nil && have < newest {
		err = fmt.Errorf("the database schema has version %d, this program needs %d: run `referral migrate`", have, newest)
	}
	return err
}

// schemaVersions is the version that the schema has and the newest one that this
// program knows. That the schema is beyond it is an error, unless the program that made
// it has declared that it only adds to what this one knows.
func (s *Store) schemaVersions(ctx context.Context, p *goose.Provider) (have, newest int64, err error) {
	if have, err = s.schemaVersion(ctx); err != nil {
		return 0, 0, err
	}
	sources := p.ListSources()
	if newest = sources[len(sources)-1].Version; have <= newest {
		return have, newest, nil
	}
	works, err := s.worksOn(ctx, have, newest)
	if err == nil && !works {
		err = fmt.Errorf("the database schema has version %d, this program knows %d: use a newer program", have, newest)
	}
	return have, newest, err
}

// oldestProgram is the newest schema version known to the oldest program that works on the
// schema of this one: migrations since have only added to it. A migration that does
// anything else raises it to its own version, and needs a new minor version of the
// program.
const oldestProgram = 1

const schemaProgramsThere = "SELECT to_regclass('schema_programs') IS NOT NULL"

// declarePrograms records which programs work on the schema up to a version, once there
// is a table for it.
func (s *Store) declarePrograms(ctx context.Context, version int64) error {
	var there bool
	if _, err := s.scan(ctx, "looking for schema_programs", []any{&there}, schemaProgramsThere); err != nil || !there {
		return err
	}
	return s.exec(ctx, "recording which programs work on the schema",
		"INSERT INTO schema_programs (version, oldest_program) VALUES ($1, $2) ON CONFLICT (version) DO UPDATE SET oldest_program = EXCLUDED.oldest_program",
		version, oldestProgram)
}

// worksOn tells whether a program that knows a schema version works on a newer one.
func (s *Store) worksOn(ctx context.Context, schema, program int64) (works bool, err error) {
	const what = "reading which programs work on the schema"
	if _, err := s.scan(ctx, what, []any{&works}, schemaProgramsThere); err != nil || !works {
		return false, err
	}
	_, err = s.scan(ctx, what, []any{&works}, `SELECT coalesce(bool_and(oldest_program <= $2), false)
		FROM schema_programs WHERE version >= $1`, schema, program)
	return works, err
}

// schemaVersion reads goose's table; asking goose itself would create it.
func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	var version int64
	var there bool
	const what = "reading the schema version"
	_, err := s.scan(ctx, what, []any{&there}, "SELECT to_regclass('goose_db_version') IS NOT NULL")
	if err == nil && there {
		_, err = s.scan(ctx, what, []any{&version}, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	}
	return version, err
}
