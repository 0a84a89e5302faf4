package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"referral/models"
	"referral/store"
	"referral/test/storetest"
)

// standIn is what Citus has, as far as the layout and the start of a run use it. It
// records the calls, and what it is told is prepared on the nodes.
const standIn = `
	CREATE SCHEMA standin;
	CREATE TABLE standin.calls (n bigint GENERATED ALWAYS AS IDENTITY, call text NOT NULL, triggers text NOT NULL DEFAULT current_setting('citus.enable_unsafe_triggers', true));
	CREATE TABLE standin.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL DEFAULT 'n');
	CREATE TABLE standin.pg_dist_shard (logicalrelid regclass NOT NULL, shardid bigint NOT NULL);
	CREATE TABLE public.proposals_7 (LIKE proposals);
	CREATE TABLE standin.workers (name text PRIMARY KEY);
	CREATE TABLE standin.nodes (nodeid integer PRIMARY KEY, success boolean NOT NULL, result text NOT NULL);
	CREATE FUNCTION standin.known(t regclass, call text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		IF t = 'stale'::regclass AND (SELECT count(*) FROM standin.calls WHERE calls.call = known.call) = 0 AND EXISTS (SELECT FROM standin.workers WHERE name = 'broken') THEN
			RAISE EXCEPTION 'a node is not there';
		END IF;
		INSERT INTO standin.pg_dist_partition VALUES (t);
		IF t = 'proposals'::regclass THEN INSERT INTO standin.pg_dist_shard VALUES (t, 7); END IF;
		INSERT INTO standin.calls (call) VALUES (call);
	END $$;
	CREATE FUNCTION standin.create_distributed_table(t regclass, by text, colocate_with text) RETURNS void LANGUAGE sql AS
		$$ SELECT standin.known(t, concat_ws(' ', 'distributed', t, by, colocate_with)) $$;
	CREATE FUNCTION standin.create_reference_table(t regclass) RETURNS void LANGUAGE sql AS $$ SELECT standin.known(t, 'reference ' || t) $$;
	CREATE FUNCTION standin.citus_add_local_table_to_metadata(t regclass) RETURNS void LANGUAGE sql AS $$ SELECT standin.known(t, 'local ' || t) $$;
	CREATE FUNCTION standin.citus_get_active_worker_nodes() RETURNS SETOF text LANGUAGE sql AS $$ SELECT name FROM standin.workers $$;
	CREATE FUNCTION standin.run_command_on_all_nodes(command text) RETURNS SETOF standin.nodes LANGUAGE plpgsql AS $$ BEGIN
		EXECUTE command; -- it must be a statement
		RETURN QUERY SELECT * FROM standin.nodes;
	END $$`

// A schema is laid out over the nodes by the calls of Citus, in an order that it can
// take; an interrupted call is continued. A run starts when no node holds a prepared
// transaction.
func TestDistribute(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	refused := func(what, says string) {
		t.Helper()
		if _, err := open(t, l.dsn).Distribute(t.Context(), store.Roles{}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a database without Citus", "CREATE EXTENSION citus")
	l.exec(standIn)
	l.exec(fmt.Sprintf("ALTER DATABASE %s SET search_path = public, standin", l.text("SELECT current_database()")))
	refused("a cluster without nodes", "citus_add_node")
	l.exec("INSERT INTO standin.workers VALUES ('broken')")
	refused("a node that is lost", "laying out the table stale: ")

	l.exec("UPDATE standin.workers SET name = 'worker'")
	s := open(t, l.dsn)
	if _, err := s.Distribute(t.Context(), store.Roles{}); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Distribute(t.Context(), store.Roles{}); err != nil || again != 0 {
		t.Errorf("a second call moved %d tables, %v", again, err)
	}
	if guarded := l.text("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'proposals_7'::regclass AND tgname = 'append_only'"); guarded != "1" {
		t.Errorf("the shard of proposals has %s triggers that refuse changes", guarded)
	}
	var calls []string
	for _, call := range l.pairs("SELECT call, triggers FROM standin.calls ORDER BY n") {
		calls = append(calls, call[0])
		if call[1] != "on" {
			t.Errorf("%s: triggers are %s", call[0], call[1])
		}
	}
	if calls[0] != "distributed accounts account_id none" || len(calls) != len(store.LaidOut())-len(store.Plain()) {
		t.Errorf("%d calls of %d tables, the first is %s", len(calls), len(store.LaidOut()), calls[0])
	}
	for _, call := range []string{
		"distributed adjustments account_id accounts", "distributed invoices account_id accounts", "distributed stale account_id accounts",
		"distributed invoice_ids invoice_id none", "reference periods", "local runs",
	} {
		if !slices.Contains(calls, call) {
			t.Errorf("no call %s", call)
		}
	}

	run := models.RunRequest{Period: 202604, Chunk: 10}
	l.exec("INSERT INTO standin.nodes VALUES (1, true, '0'), (2, true, '3')")
	if _, _, err := s.StartRun(t.Context(), run); err == nil || !strings.Contains(err.Error(), "node 2 3") {
		t.Errorf("with prepared transactions on a node: %v", err)
	}
	l.exec("UPDATE standin.nodes SET success = false, result = 'no connection' WHERE nodeid = 2")
	if _, _, err := s.StartRun(t.Context(), run); err == nil || !strings.Contains(err.Error(), "node 2 no connection") {
		t.Errorf("with a node that is not there: %v", err)
	}
	l.exec("UPDATE standin.nodes SET success = true, result = '0'")
	if _, started, err := s.StartRun(t.Context(), run); err != nil || !started {
		t.Errorf("when all is recovered: started %t, %v", started, err)
	}
}

func (l *life) text(sql string) (text string) {
	l.Helper()
	if err := l.db.QueryRow(sql).Scan(&text); err != nil {
		l.Fatal(err)
	}
	return text
}

// A schema of another name is not laid out.
func TestDistributeRefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	s, err := store.Open(store.Options{DSN: storetest.DSN(t), Schema: "brand"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Distribute(t.Context(), store.Roles{}); err == nil || !strings.Contains(err.Error(), "schema public only") {
		t.Errorf("%v", err)
	}
}
