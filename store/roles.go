package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Roles is the database roles that a migration grants rights to, beside its own, which
// owns the tables. One that is empty is granted nothing.
type Roles struct {
	Service   string // what the service needs, and nothing more
	Reader    string // reads what the commands that only look read, and nothing else
	Reporting string // reads the views that [reportingViews] lists, and nothing else
}

// rights are those of a role that has a name.
type rights struct {
	role, setting string
	grants        func(role string) []string // after all has been taken back
}

func (n schemaName) rightsOf(roles Roles) []rights {
	return slices.DeleteFunc([]rights{
		{roles.Service, "database.role", n.serviceRights},
		{roles.Reader, "database.reader_role", n.readerRights},
		{roles.Reporting, "database.reporting_role", n.reportingRights},
	}, func(r rights) bool { return r.role == "" })
}

// appendOnlyTables can only be read and added to: the ledger, and what persons did.
const appendOnlyTables = "adjustments, sms_packages, results, operator_actions, document_write_offs, signatures, signed_totals, signed_reports, staff_decisions, service_decisions, journal_checks"

// undeletableTables can be read, added to, and changed in some columns.
const undeletableTables = "document_resends, proposals"

// unreadTables are not for the reader: who is signed in, answers to clients, and the
// addresses of people who are not clients.
const unreadTables = "sessions, staff_sessions, code_tries, client_requests, invitations, invitation_parts, recipients"

func (n schemaName) serviceRights(role string) []string {
	return []string{
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + string(n) + " TO " + role,
		"GRANT USAGE ON SEQUENCE postings TO " + role,
		"REVOKE UPDATE, DELETE ON " + appendOnlyTables + " FROM " + role,
		"REVOKE DELETE ON " + undeletableTables + " FROM " + role,
		"REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM " + role,
	}
}

func (n schemaName) readerRights(role string) []string {
	return []string{
		"GRANT USAGE ON SCHEMA " + n.reporting() + " TO " + role,
		"GRANT SELECT ON ALL TABLES IN SCHEMA " + string(n) + ", " + n.reporting() + " TO " + role,
		"REVOKE SELECT ON " + unreadTables + " FROM " + role,
	}
}

func (n schemaName) reportingRights(role string) []string {
	return []string{
		"GRANT USAGE ON SCHEMA " + n.reporting() + " TO " + role,
		"GRANT EXECUTE ON FUNCTION packed_field TO " + role,
		"GRANT SELECT ON " + n.reportingViews() + " TO " + role,
	}
}

// reportingViews is what people may read at a database prompt: documented in
// docs/database.md.
func (n schemaName) reportingViews() string {
	views := []string{"invoice_lines", "adjustment_items"}
	for _, view := range []string{"months", "documents", "lines", "entitlements", "referrals", "audit"} {
		views = append(views, n.reporting()+"."+view)
	}
	return strings.Join(views, ", ")
}

// createRoles creates the roles that are missing, without a password.
func (s *Store) createRoles(ctx context.Context, roles Roles) error {
	for _, r := range s.schema.rightsOf(roles) {
		var there, own bool
		_, err := s.scan(ctx, "looking for the role "+r.role, []any{&there, &own}, "SELECT to_regrole($1) IS NOT NULL, current_user = $2", pgx.Identifier{r.role}.Sanitize(), r.role)
		switch {
		case err != nil:
			return err
		case own:
			return fmt.Errorf("%s: %s is the role that migrate runs as and that owns the tables: name another one", r.setting, r.role)
		case there:
			continue
		}
		create := "CREATE ROLE " + pgx.Identifier{r.role}.Sanitize() + " LOGIN"
		err = s.exec(ctx, "creating the role "+r.role, create)
		var pg *pgconn.PgError
		switch {
		case err == nil, errors.As(err, &pg) && (pg.Code == duplicateObject || pg.Code == uniqueViolation): // another process was faster
		case errors.As(err, &pg) && pg.Code == insufficientPrivilege:
			return fmt.Errorf("%s: there is no role %s, and the role that migrate runs as may not create one: have an administrator of the database run `%s`", r.setting, r.role, create)
		default:
			return err
		}
	}
	return nil
}

const (
	duplicateObject       = "42710"
	uniqueViolation       = "23505"
	insufficientPrivilege = "42501"
)

// lockGrants keeps the programs that migrate at once apart: PostgreSQL refuses
// to change the rights of a table in two sessions.
const lockGrants advisoryLock = 0x7265660004

// grant takes back all rights in the schemas and gives those that are due in one step:
// there is no moment at which the role has more or less.
func (s *Store) grant(ctx context.Context, roles Roles) error {
	var distributed bool
	if _, err := s.scan(ctx, "looking for the extension citus", []any{&distributed}, citusThere); err != nil {
		return err
	}
	for _, r := range s.schema.rightsOf(roles) {
		err := s.write(ctx, fmt.Sprintf("granting the role %s its rights", r.role), func(tx *tx) error {
			if err := tx.lock("the rights", lockGrants); err != nil {
				return err
			}
			role, schemas := pgx.Identifier{r.role}.Sanitize(), string(s.schema)+", "+s.schema.reporting()
			grants := r.grants(role)
			if more := distributedRights(roles)[r.role]; more != "" && distributed {
				grants = append(grants, more+role)
			}
			for _, statement := range append([]string{
				"REVOKE ALL ON ALL TABLES IN SCHEMA " + schemas + " FROM " + role,
				"REVOKE ALL ON ALL SEQUENCES IN SCHEMA " + schemas + " FROM " + role,
				"REVOKE ALL ON SCHEMA " + schemas + " FROM " + role,
				"GRANT USAGE ON SCHEMA " + string(s.schema) + " TO " + role,
			}, grants...) {
				if err := tx.exec("granting rights", statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ExcessRights names what the roles may beyond what a migration grants, because of what
// an administrator gave them, with what to do about it.
func (s *Store) ExcessRights(ctx context.Context, roles Roles) ([]string, error) {
	var all []string
	for _, r := range s.schema.rightsOf(roles) {
		excess, err := list(ctx, s, "looking for rights beyond those needed", pgx.RowTo[string], `SELECT excess FROM pg_roles r, LATERAL (VALUES
				(r.rolsuper, 'is a superuser: ALTER ROLE ' || rolname || ' NOSUPERUSER'),
				(r.rolcreaterole, 'may create roles: ALTER ROLE ' || rolname || ' NOCREATEROLE'),
				(r.rolcreatedb, 'may create databases: ALTER ROLE ' || rolname || ' NOCREATEDB'),
				(NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CREATE'),
					'may create schemas: REVOKE CREATE ON DATABASE ' || quote_ident(current_database()) || ' FROM ' || rolname || ', PUBLIC'),
				(NOT r.rolsuper AND has_schema_privilege(r.oid, $2, 'CREATE'), 'may create tables: REVOKE CREATE ON SCHEMA ' || $2 || ' FROM ' || rolname || ', PUBLIC'),
				(EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid), 'has the rights of other roles too: REVOKE ' ||
					(SELECT string_agg(roleid::regrole::text, ', ') FROM pg_auth_members WHERE member = r.oid) || ' FROM ' || rolname)
			) found (yes, excess) WHERE rolname = $1 AND yes`, r.role, string(s.schema))
		if err != nil {
			return nil, err
		}
		for _, e := range excess {
			all = append(all, fmt.Sprintf("%s: the role %s %s", r.setting, r.role, e))
		}
	}
	return all, nil
}
