package config

import (
	"errors"
	"fmt"
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
	for setting, role := range map[string]string{"database.role": d.Role, "database.reporting_role": d.ReportingRole} {
		if role != "" && !roleName.MatchString(role) {
			found.add(setting, "%q is not a role name: lower case letters, digits and _, at most 63", role)
		}
	}
	if d.StatementTimeout != 0 {
		found.lasts("database.statement_timeout", d.StatementTimeout, time.Second, 24*time.Hour)
	}
}

// check is nil when the connection string can be read. The error of pgx quotes what it
// cannot read, passwords included, so it is not shown.
func (d DSN) check() error {
	if _, err := pgx.ParseConfig(string(d)); err != nil {
		return errors.New("it cannot be read (and is not shown, because it may hold a password); " + dsnExample)
	}
	return nil
}

// Connection is the connection string, from the setting or from its file; an [*Error]
// when the file cannot be read or holds none.
func (d *Database) Connection() (string, error) {
	const path = "database.dsn_file"
	text, err := readSecret(path, Secret(d.DSN), d.DSNFile)
	if err != nil {
		return "", err
	}
	if err := DSN(text).check(); err != nil {
		return "", newError(path, fmt.Errorf("%s: %w", d.DSNFile, err))
	}
	return text, nil
}

// RequireDatabase is for the commands that need a database: an [*Error]
// when none is named.
func (c *Config) RequireDatabase() error {
	if c.Database.DSN != "" || c.Database.DSNFile != "" {
		return nil
	}
	return newError("configuration", errors.New(
		"database.dsn is not set: give it or database.dsn_file in config.yaml or the environment (REFERRAL_DATABASE_DSN, REFERRAL_DATABASE_DSN_FILE); "+dsnExample))
}
