package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// layout says where the rows of each table are in a database that is distributed by
// Citus. What is about one account lies on one node. Global uniqueness has tables of its
// own key. Tables in neither list are small, or queues, and stay on the coordinator.
var layout = struct {
	byAccount []string // distributed by account_id, rows of one account together; the first one leads
	byKey     []string // table.column: distributed by a key of their own
	reference []string // whole on every node
	local     []string // on the coordinator, and known to Citus
}{
	byAccount: strings.Fields(`accounts activations adjustments discounts document_resends document_write_offs held_lines imported_accounts imported_discounts
		imported_packages imported_referrals invoices memberships package_grants parked_accounts referrals rehearsed_amounts sms_packages staff_decisions stale`),
	byKey:     strings.Fields(`invoice_ids.invoice_id results.adjustment_id`),
	reference: strings.Fields(`periods`),
	local: strings.Fields(`booked_files client_requests code_tries codes dead_letter_outcomes dead_letters forecast_actuals forecasts goose_db_version invitation_days
		invitation_parts invitations journal_checks not_booked operator_actions outbox programme_state proposals recipients reconciliations run_chunks run_orders runs
		schema_programs service_decisions sessions signatures signed_reports signed_totals slots staff_sessions suspicion_searches suspicions suspicions_seen topic_ids topics`),
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

// errNoCitus says what a database lacks to be distributed.
var errNoCitus = errors.New("the database cannot be distributed: it has no extension citus; install Citus on every node, " +
	"CREATE EXTENSION citus in this database on each, and add the nodes with citus_add_node")

// Distribute lays the tables of a migrated schema out over the nodes of a Citus cluster and
// returns the number of tables that it moved. It passes over those that are laid out:
// called again it goes on where it was interrupted, and takes the tables of a newer
// schema.
func (s *Store) Distribute(ctx context.Context) (moved int, err error) {
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
	return moved, nil
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

// refuseUnrecovered refuses to start a run on a distributed database while a node holds
// a prepared transaction. Its rows are committed and not visible yet; no transaction of an
// ingest is under way here.
func (t *tx) refuseUnrecovered() error {
	var distributed bool
	if _, err := t.scan("looking for the extension citus", []any{&distributed}, citusThere); err != nil || !distributed {
		return err
	}
	var nodes string
	_, err := t.scan("looking for prepared transactions", []any{&nodes}, `
		SELECT coalesce(string_agg(concat_ws(' ', 'node', nodeid, result), ', '), '') FROM run_command_on_all_nodes($$
			SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'citus\_%' AND database = current_database() AND prepared < clock_timestamp() - interval '5 seconds'$$)
		WHERE NOT success OR result <> '0'`)
	if err == nil && nodes != "" {
		err = fmt.Errorf("prepared transactions are not recovered yet, and their rows are missing (%s): the run can start when Citus has recovered them, within a minute "+
			"of all nodes being there, or by SELECT recover_prepared_transactions()", nodes)
	}
	return err
}
