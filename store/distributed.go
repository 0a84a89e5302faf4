package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/internal/sleep"
)

// layout says where the rows of each table are in a database that is distributed by
// Citus. What is about one account lies on one node. Global uniqueness has tables of its
// own key. Tables in neither list are small, or queues, and stay on the coordinator.
var layout = struct {
	byAccount []string // distributed by account_id, rows of one account together; the first one leads
	byKey     []string // table.column: distributed by a key of their own
	reference []string // whole on every node
	local     []string // on the coordinator, and known to Citus: what is written together with a node is committed with it
	plain     []string // on the coordinator, and unknown to Citus, which refuses the statements that write them
}{
	byAccount: strings.Fields(`accounts activations adjustments discounts document_resends document_write_offs held_lines imported_accounts imported_discounts
		imported_packages imported_referrals invoices memberships package_grants parked_accounts referrals rehearsed_amounts sms_packages staff_decisions stale`),
	byKey:     strings.Fields(`invoice_ids.invoice_id results.adjustment_id`),
	reference: strings.Fields(`periods`),
	local: strings.Fields(`booked_files codes dead_letter_outcomes dead_letters forecast_actuals forecasts goose_db_version invitation_days
		invitation_parts invitations journal_checks not_booked operator_actions outbox programme_state proposals recipients reconciliations run_chunks run_orders runs
		schema_programs service_decisions sessions signatures signed_reports signed_totals slots staff_sessions suspicion_searches suspicions suspicions_seen topic_ids topics`),
	plain: strings.Fields(`client_requests code_tries`),
}

// declaration is a statement that tells Citus where the rows of a table are.
type declaration struct{ table, sql string }

// declarations are in their order: the table that leads comes before those beside it.
func declarations() []declaration {
	leads := layout.byAccount[0]
	list := []declaration{{leads, fmt.Sprintf("SELECT create_distributed_table('%s', 'account_id', colocate_with => 'none')", leads)}}
	for _, table := range layout.byAccount[1:] {
		list = append(list, declaration{table, fmt.Sprintf("SELECT create_distributed_table('%s', 'account_id', colocate_with => '%s')", table, leads)})
	}
	for _, key := range layout.byKey {
		table, column, _ := strings.Cut(key, ".")
		list = append(list, declaration{table, fmt.Sprintf("SELECT create_distributed_table('%s', '%s', colocate_with => 'none')", table, column)})
	}
	for _, table := range layout.reference {
		list = append(list, declaration{table, fmt.Sprintf("SELECT create_reference_table('%s')", table)})
	}
	for _, table := range layout.local {
		list = append(list, declaration{table, fmt.Sprintf("SELECT citus_add_local_table_to_metadata('%s')", table)})
	}
	return list
}

// distributedViews take the place of those views for reports that Citus refuses to read. As
// they are here, they join what is on other nodes as a whole, which one PostgreSQL need not.
const distributedViews = `
CREATE OR REPLACE VIEW finance.documents AS
SELECT d.account_id, d.storage_period, d.period, d.posting_period, d.invoice_id, d.sequence, d.adjustment_id, d.invoice_revision, d.currency, d.amount_minor,
    d.reason, d.posted_at, d.run_id, c.published_at, r.status AS answer, r.amount_minor AS answered_minor, r.at AS answered_at, w.document_id IS NOT NULL AS written_off
FROM adjustments d
LEFT JOIN document_write_offs w ON w.account_id = d.account_id AND w.document_id = d.adjustment_id
LEFT JOIN (SELECT run_id, chunk_no, published_at FROM run_chunks OFFSET 0) c ON c.run_id = d.run_id AND c.chunk_no = d.chunk_no
LEFT JOIN (SELECT DISTINCT ON (adjustment_id) adjustment_id, status, amount_minor, at FROM results
    ORDER BY adjustment_id, at DESC, status DESC OFFSET 0) r ON r.adjustment_id = d.adjustment_id;
CREATE OR REPLACE VIEW finance.referrals AS
SELECT r.account_id AS inviter_id, r.invitee_id, r.activated_at, v.code, r.revoked_from
FROM referrals r LEFT JOIN (SELECT account_id, code FROM activations WHERE status = 'accepted' OFFSET 0) v ON v.account_id = r.invitee_id;`

// errNoCitus says what a database lacks to be distributed.
var errNoCitus = errors.New("the database cannot be distributed: it has no extension citus; install Citus on every node, " +
	"CREATE EXTENSION citus in this database on each, and add the nodes with citus_add_node")

// Distribute lays the tables of a migrated schema out over the nodes of a Citus cluster and
// returns the number of tables that it moved. It passes over those that are laid out:
// called again it goes on where it was interrupted, and takes the tables of a newer
// schema. The roles are granted their rights again: new sequences take the place of those
// of identity columns.
func (s *Store) Distribute(ctx context.Context, roles Roles) (moved int, err error) {
	if s.schema != public {
		return 0, fmt.Errorf("the schema %s cannot be distributed: Citus is supported in the schema public only", s.schema)
	}
	conn, err := pgx.ConnectConfig(ctx, s.dial.config(s.unlimited))
	if err != nil {
		return 0, fmt.Errorf("connecting to the database: %w", err)
	}
	defer closeQuietly(conn)
	done, err := laidOut(ctx, conn)
	if err != nil {
		return 0, err
	}
	// Citus takes tables with triggers when it is told that this is safe: those that
	// refuse changes look at no other row.
	if _, err := conn.Exec(ctx, "SET citus.enable_unsafe_triggers = on"); err != nil {
		return 0, fmt.Errorf("allowing triggers on distributed tables: %w", err)
	}
	for _, d := range declarations() {
		if slices.Contains(done, d.table) {
			continue
		}
		if _, err := conn.Exec(ctx, d.sql); err != nil {
			return moved, fmt.Errorf("laying out the table %s: %w", d.table, err)
		}
		moved++
	}
	if _, err := conn.Exec(ctx, guardedShards); err != nil {
		return moved, fmt.Errorf("making the tables of the coordinator append-only: %w", err)
	}
	if _, err := conn.Exec(ctx, distributedViews); err != nil {
		return moved, fmt.Errorf("making the views for reports: %w", err)
	}
	return moved, s.grant(ctx, roles)
}

// guardedShards has the one shard of a table on the coordinator refuse what the table
// refuses. Citus works on the shard, and gives it no triggers of statements; those of
// tables on several nodes have them.
const guardedShards = `
SET citus.override_table_visibility = off;
SET citus.enable_manual_changes_to_shards = on;
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT pg_get_triggerdef(t.oid) AS definition, c.relname AS of, shard.relname AS shard
        FROM pg_dist_partition p JOIN pg_dist_shard s USING (logicalrelid) JOIN pg_class c ON c.oid = p.logicalrelid JOIN pg_trigger t ON t.tgrelid = c.oid
        JOIN pg_class shard ON shard.relname = c.relname || '_' || s.shardid AND shard.relnamespace = c.relnamespace
        WHERE t.tgname = 'append_only' AND p.partmethod = 'n' AND NOT EXISTS (SELECT 1 FROM pg_trigger has WHERE has.tgrelid = shard.oid AND has.tgname = t.tgname)
    LOOP EXECUTE replace(r.definition, format(' ON public.%s ', r.of), format(' ON public.%s ', r.shard)); END LOOP;
END $$;
SET citus.override_table_visibility = on`

// distributedRights is what the roles need besides on a distributed database: there the
// numbers of identity columns are drawn, and the tables behind a view read, with the rights
// of the role that asks.
func distributedRights(r Roles) map[string]string {
	return map[string]string{
		r.Service: "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ",
		r.Reporting: `GRANT SELECT ON activations, adjustments, discounts, document_write_offs, invoices, operator_actions, package_grants, periods, reconciliations, referrals,
			results, run_chunks, runs TO `,
	}
}

const citusThere = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"

// laidOut is the tables that Citus knows.
func laidOut(ctx context.Context, conn *pgx.Conn) (tables []string, err error) {
	var there bool
	if err := conn.QueryRow(ctx, citusThere).Scan(&there); err != nil {
		return nil, fmt.Errorf("looking for the extension citus: %w", err)
	}
	if !there {
		return nil, errNoCitus
	}
	var workers int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM citus_get_active_worker_nodes()").Scan(&workers); err != nil {
		return nil, fmt.Errorf("asking for the nodes of the cluster: %w", err)
	}
	if workers == 0 {
		return nil, errors.New("the database cannot be distributed: the cluster has no worker node; add the nodes with citus_add_node")
	}
	rows, err := conn.Query(ctx, "SELECT logicalrelid::regclass::text FROM pg_dist_partition")
	if err == nil {
		tables, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return tables, wrap("reading which tables are distributed", err)
}

// distributed tells whether the database is that of a Citus cluster.
func (t *tx) distributed() (is bool, err error) {
	_, err = t.scan("looking for the extension citus", []any{&is}, citusThere)
	return is, err
}

// recoveryLooks and recoveryWait are how often, and after what time each, prepared
// transactions are looked for that were there before: their commit may be on its way.
const recoveryLooks = 50

var recoveryWait = 100 * time.Millisecond

// refuseUnrecovered waits for the commits that are on their way to the nodes of a
// distributed database, and is an error when one of them has got stuck: it is committed,
// and its rows are not visible yet. Who calls it has locked new ones out.
func (t *tx) refuseUnrecovered() error {
	if distributed, err := t.distributed(); err != nil || !distributed {
		return err
	}
	var before []string
	for look := range recoveryLooks {
		now, err := t.prepared()
		if err != nil {
			return err
		}
		if look == 0 {
			before = now
		}
		before = slices.DeleteFunc(before, func(transaction string) bool { return !slices.Contains(now, transaction) })
		if len(before) == 0 {
			return nil
		}
		if ctx := t.Statement.Context; !sleep.For(ctx, recoveryWait) {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("prepared transactions are not recovered yet, and their rows are missing (%s): try again when Citus has recovered them, within a minute "+
		"of all nodes being there, or after SELECT recover_prepared_transactions()", strings.Join(before, ", "))
}

// prepared is the transactions that are prepared on the nodes, and the nodes that do not
// answer.
func (t *tx) prepared() (transactions []string, err error) {
	rows, err := t.pgx.Query(t.Statement.Context, `SELECT concat_ws(' ', 'node', nodeid, transaction) FROM run_command_on_all_nodes($$
			SELECT coalesce(string_agg(gid, ' '), '') FROM pg_prepared_xacts WHERE gid LIKE 'citus\_%' AND database = current_database()$$)
		CROSS JOIN LATERAL unnest(CASE WHEN success THEN string_to_array(result, ' ') ELSE ARRAY[result] END) transaction`)
	if err == nil {
		transactions, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return transactions, wrap("looking for prepared transactions", err)
}

// announceCommit has snapshots of all nodes wait for the commit of this transaction. On one
// PostgreSQL a commit is visible as a whole.
func (t *tx) announceCommit() error {
	return t.exec("passing the ingest barrier", shareLock+" WHERE ("+citusThere+")", lockIngest.in(t.schema))
}

// consistent runs fn in a transaction that sees one state of the database, and writes
// nothing. A snapshot of a distributed database is one of each node, and a commit is not
// visible on all at once: half of one would look like a fault of the ledger. So the
// snapshots are taken while no ingest and no posting commits; those begun wait for a
// moment, and nothing that a node holds back is missing.
func (s *Store) consistent(ctx context.Context, fn func(*tx) error) error {
	return s.session(ctx, func(t *tx) error {
		distributed, err := t.distributed()
		if err != nil {
			return err
		}
		return t.transaction(ctx, beginReadOnly, func(t *tx) error {
			if distributed {
				if err := s.openOnAllNodes(ctx, t); err != nil {
					return err
				}
			}
			return fn(t)
		})
	})
}

// openOnAllNodes takes the snapshots of a transaction that has begun and read nothing. The
// locks are held on a connection beside the pool, which may have none left.
func (s *Store) openOnAllNodes(ctx context.Context, reader *tx) error {
	conn, err := pgx.ConnectConfig(ctx, s.dial.config(s.direct))
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer closeQuietly(conn)
	gate := &tx{DB: reader.DB, pgx: conn, schema: s.schema, now: reader.now}
	return gate.transaction(ctx, beginReadCommitted, func(gate *tx) error {
		if err := gate.lock("out what commits", lockIngest); err != nil {
			return err
		}
		if err := gate.refuseUnrecovered(); err != nil {
			return err
		}
		var accounts int64
		_, err := reader.scan("taking the snapshots of all nodes", []any{&accounts}, "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 1) a")
		return err
	})
}
