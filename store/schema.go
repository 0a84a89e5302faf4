package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// schemaName is the schema that holds the tables. Two installations share a database when
// each has one of its own: then they share no table and no lock.
type schemaName string

const public schemaName = "public"

// reporting is the schema of the views for reports. Names of schemas are lower case
// letters, digits and _, so that none needs quotes.
func (n schemaName) reporting() string {
	if n == public {
		return "finance"
	}
	return string(n) + "_finance"
}

// advisoryLock is a lock of all processes that work on one schema.
type advisoryLock int64

// in is the key of the lock in a schema. Advisory locks belong to the database, which
// may hold several schemas.
func (l advisoryLock) in(schema schemaName) int64 {
	if schema == public {
		return int64(l)
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(strconv.FormatInt(int64(l), 10) + " " + string(schema)))
	return int64(hash.Sum64()) //nolint:gosec // any 64 bits are a key
}

// lockJournal is taken by a trigger that a migration makes.
const lockJournal advisoryLock = 0x7265660007

// migrations is the migration files as they are for this schema.
func (n schemaName) migrations() (fs.FS, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil || n == public {
		return files, err
	}
	return rewrittenFiles{files, strings.NewReplacer(
		"to_regnamespace('finance')", "to_regnamespace('"+n.reporting()+"')", "CREATE SCHEMA finance", "CREATE SCHEMA "+n.reporting(), " finance.", " "+n.reporting()+".",
		strconv.FormatInt(int64(lockJournal), 10), strconv.FormatInt(lockJournal.in(n), 10),
	)}, nil
}

// rewrittenFiles is files with their text replaced.
type rewrittenFiles struct {
	fs.FS
	replacer *strings.Replacer
}

// Open opens a file. A directory is as it is.
func (r rewrittenFiles) Open(name string) (fs.File, error) {
	file, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.IsDir() {
		return file, err
	}
	text, err := io.ReadAll(file)
	return rewrittenFile{file, strings.NewReader(r.replacer.Replace(string(text)))}, err
}

type rewrittenFile struct {
	fs.File
	text *strings.Reader
}

func (f rewrittenFile) Read(b []byte) (int, error) { return f.text.Read(b) }

// createSchema makes a schema other than public, which is always there, on a connection
// that names none.
func (s *Store) createSchema(ctx context.Context) error {
	if s.schema == public {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, s.dial.config(s.unlimited))
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer closeQuietly(conn)
	var there bool
	err = conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", string(s.schema)).Scan(&there)
	if err == nil && !there { // with the right to use it alone, IF NOT EXISTS would be refused
		_, err = conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+string(s.schema))
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == insufficientPrivilege {
		return fmt.Errorf("the role may not create the schema %s; run this command as the owner of the schemas, who needs CREATE on the database: %w", s.schema, err)
	}
	return wrap("creating the schema "+string(s.schema), err)
}
