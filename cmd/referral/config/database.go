package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is where the facts and the ledger are kept.
type Database struct {
	DSN              DSN           `yaml:"dsn"`
	DSNFile          string        `yaml:"dsn_file"` // instead of DSN
	Schema           string        `yaml:"schema"`
	MaxConnections   int           `yaml:"max_connections"`
	Role             string        `yaml:"role"`           // that migrate grants to; empty for none
	ReaderRole       string        `yaml:"reader_role"`    // that migrate lets read what commands that only look read; empty for none
	ReportingRole    string        `yaml:"reporting_role"` // that migrate lets read the views; empty for none
	StatementTimeout time.Duration `yaml:"statement_timeout"`
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,50}$`) // room is left for a suffix

var roleName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

const dsnExample = "write for example postgres://referral@db.example:5432/referral"

func (d *Database) validate(found *findings) {
	if err := d.DSN.check(); d.DSN != "" && err != nil {
		found.add("database.dsn", "%v", err)
	}
	if d.DSN != "" && d.DSNFile != "" {
		found.add("database.dsn", "give either database.dsn or database.dsn_file")
	}
	if !schemaName.MatchString(d.Schema) || strings.HasPrefix(d.Schema, "pg_") {
		found.add("database.schema", "%q is not the name of a schema: lower case letters, digits and _, at most 51, and not pg_…", d.Schema)
	}
	found.inRange("database.max_connections", d.MaxConnections, 2, 1000)
	used := map[string]string{}
	for _, r := range [][2]string{{"database.role", d.Role}, {"database.reader_role", d.ReaderRole}, {"database.reporting_role", d.ReportingRole}} {
		setting, role := r[0], r[1]
		switch {
		case role == "":
			continue
		case !roleName.MatchString(role):
			found.add(setting, "%q is not a role name: lower case letters, digits and _, at most 63", role)
		case used[role] != "":
			found.add(setting, "%q is the role of %s too; each needs its own", role, used[role])
		}
		used[role] = setting
	}
	if d.StatementTimeout != 0 {
		found.lasts("database.statement_timeout", d.StatementTimeout, time.Second, 24*time.Hour)
	}
}

// check is nil when the connection string can be read. The error of pgx quotes what it
// cannot read, passwords included, so it is not shown.
func (d DSN) check() error {
	parsed, err := pgx.ParseConfig(string(d))
	if err != nil {
		return errors.New("it cannot be read (and is not shown, because it may hold a password); " + dsnExample)
	}
	if err := notSecret(parsed.Password); err != nil {
		return fmt.Errorf("its password: %w", err)
	}
	return nil
}

// Connection is the connection string, from the setting or from its file; an [*Error]
// when the file cannot be read or holds none.
func (d *Database) Connection() (string, error) {
	if d.DSNFile == "" {
		return string(d.DSN), nil
	}
	const path = "database.dsn_file"
	text, err := readSecret(path, "", d.DSNFile)
	if err != nil {
		return "", err
	}
	if err := DSN(text).check(); err != nil {
		return "", newError(path, fmt.Errorf("%s: %w", d.DSNFile, err))
	}
	return text, nil
}

// dsnFile is a file that pairs of key and value name.
var dsnFile = regexp.MustCompile(`(?:^|\s)(sslrootcert|sslcert|sslkey)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))`)

// Certificates are the files of certificates that the connection string names: of the
// authorities, of the program's own certificate and of its key. Each may be empty. The
// string has one of each, however many servers it names.
func (d *Database) Certificates() (authorities, own, key string) {
	dsn, err := d.Connection()
	if err != nil {
		return "", "", ""
	}
	files := map[string]string{}
	if u, err := url.Parse(dsn); DSN(dsn).isURL() && err == nil {
		for name := range u.Query() {
			files[name] = u.Query().Get(name)
		}
	} else {
		for _, m := range dsnFile.FindAllStringSubmatch(dsn, -1) {
			files[m[1]] = strings.ReplaceAll(m[2], `\`, "") + m[3]
		}
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		files[name] = cmp.Or(files[name], os.Getenv("PG"+strings.ToUpper(name))) // as pgx does
	}
	if files["sslrootcert"] == "system" { // what PostgreSQL calls the authorities of the operating system
		files["sslrootcert"] = ""
	}
	return files["sslrootcert"], files["sslcert"], files["sslkey"]
}

// RequireDatabase is for the commands that need a database: an [*Error]
// when none is named.
func (c *Config) RequireDatabase() error {
	if c.Database.DSN != "" || c.Database.DSNFile != "" {
		return nil
	}
	return newError("configuration", errors.New(
		"database.dsn is not set: name the configuration of the service with --config (else config.yaml of this directory is read), and give database.dsn or database.dsn_file there "+
			"or in the environment (REFERRAL_DATABASE_DSN, REFERRAL_DATABASE_DSN_FILE); "+dsnExample))
}
