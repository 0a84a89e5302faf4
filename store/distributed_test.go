package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"referral/billing"
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
	needs := map[string]func() error{
		"a run": func() error { _, _, err := s.StartRun(t.Context(), run); return err },
		"a signature": func() error {
			_, err := s.ClosePeriod(t.Context(), models.Signature{Period: 202604}, noReport)
			return err
		},
		"a reconciliation": func() error {
			return s.Audit(t.Context(), 202604, func(models.AuditHead) error { return nil }, func(*models.AccountHistory) error { return nil })
		},
		"a register": func() error { _, err := s.Ledger(t.Context(), 202604); return err },
		"an export": func() error {
			return s.EachRegisterEntry(t.Context(), models.RegisterFilter{Posted: 202604}, func(*models.RegisterEntry) error { return nil })
		},
	}
	stuck := func(nodes, says string) {
		t.Helper()
		l.exec("TRUNCATE standin.nodes")
		l.exec("INSERT INTO standin.nodes VALUES " + nodes)
		together(t, len(needs), func(i int) error {
			what := slices.Sorted(maps.Keys(needs))[i]
			if err := needs[what](); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s, with %s: %v", what, says, err)
			}
			return nil
		})
	}
	stuck("(1, true, ''), (2, true, 'citus_0_1_2_3 citus_0_1_2_4')", "(node 2 citus_0_1_2_3, node 2 citus_0_1_2_4)")
	stuck("(1, true, ''), (2, false, 'no connection')", "(node 2 no connection)")

	// Those that come after the first look are not waited for.
	l.exec("CREATE SEQUENCE standin.look")
	l.exec("UPDATE standin.nodes SET success = true, result = 'citus_0_1_2_'")
	l.exec(`CREATE OR REPLACE FUNCTION standin.run_command_on_all_nodes(command text) RETURNS SETOF standin.nodes LANGUAGE sql AS $$
		SELECT nodeid, success, result || nextval('standin.look') FROM standin.nodes $$`)
	if _, started, err := s.StartRun(t.Context(), run); err != nil || !started {
		t.Errorf("when all is recovered: started %t, %v", started, err)
	}
	for _, what := range []string{"a reconciliation", "a register", "an export"} {
		if err := needs[what](); err != nil {
			t.Errorf("%s, when all is recovered: %v", what, err)
		}
	}
}

// A reconciliation beside a run takes nothing that is half committed for a fault.
func TestReconciledBesideARun(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	var facts []models.FactData
	for id := int64(1000); id < 1060; id++ {
		friend := id + 1000
		facts = append(facts, registered(id, "2025-06-01T09:00:00Z"), registered(friend, "2026-04-01T08:00:00+03:00"), activated(friend, id, "2026-04-01T09:00:00+03:00"),
			april(id, 1, 300000), april(friend, 1, 1000))
	}
	l.facts(facts...)
	run := l.phase(l.start(models.RunRequest{Period: 202604}), l.pay)
	posted := make(chan error, 1)
	go func() {
		_, err := l.another().carry(l.Context(), run, l.pay)
		posted <- err
	}()
	for posting := true; posting; {
		select {
		case err := <-posted:
			if posting = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
		for _, b := range l.breaks(202604) {
			if b.Kind != billing.BreakNotPosted || !posting {
				t.Errorf("account %d, invoice %q: %s, %s", b.AccountID, b.InvoiceID, b.Kind, b.Detail)
			}
		}
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
