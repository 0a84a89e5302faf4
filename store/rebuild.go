package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// toldByNoTopic is what a rebuild copies before it takes the messages, because none has
// told it.
var toldByNoTopic = []string{
	"topics",          // numbers in the provenance of facts
	"codes",           // they are drawn at random
	"programme_state", // the terms in force
}

// ledgerTables is what the rebuilt facts are reconciled with: the ledger, and what was
// decided about it.
var ledgerTables = []string{
	"runs", "run_chunks", "adjustments", "sms_packages", "document_resends", "document_write_offs", "signatures", "signed_totals",
}

// BeginRebuild prepares this schema, which has been migrated and is empty, to be rebuilt
// beside another one. A rebuild that was begun is continued: fresh is false.
func (s *Store) BeginRebuild(ctx context.Context, of string) (fresh bool, err error) {
	err = s.write(ctx, "beginning to rebuild the schema "+of, func(tx *tx) error {
		if _, err := tx.scan("looking for a rebuild", []any{&fresh}, "SELECT to_regclass('rebuilt_segments') IS NULL"); err != nil || !fresh {
			return err
		}
		var accounts int64
		if _, err := tx.scan("counting accounts", []any{&accounts}, "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 1) a"); err != nil {
			return err
		}
		if accounts > 0 {
			return fmt.Errorf("the schema %s is in use: name another one", s.schema)
		}
		if err := tx.copyTables(ctx, of, toldByNoTopic); err != nil {
			return err
		}
		err := tx.exec("copying the codes of accounts and what was erased", fmt.Sprintf("INSERT INTO accounts (account_id, code, erased_at) SELECT account_id, code, erased_at FROM %s.accounts WHERE code <> '' OR erased_at IS NOT NULL", of))
		if err != nil {
			return err
		}
		return tx.exec("beginning the list of segments", "CREATE TABLE rebuilt_segments (segment text COLLATE \"C\" PRIMARY KEY)")
	})
	return fresh, err
}

// copyTables copies the tables of another schema of the same version.
func (t *tx) copyTables(ctx context.Context, from string, tables []string) error {
	if err := t.disableStatementTimeout(); err != nil {
		return err
	}
	for _, table := range tables {
		rows, err := t.pgx.Query(ctx, "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum", table)
		if err != nil {
			return err
		}
		columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		list := strings.Join(columns, ", ")
		if err := t.exec("copying "+table, fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s.%s", table, list, list, from, table)); err != nil {
			return err
		}
	}
	return nil
}

// RebuiltSegments is the segments that RecordSegment has recorded.
func (s *Store) RebuiltSegments(ctx context.Context) ([]string, error) {
	return list(ctx, s, "reading what is rebuilt", pgx.RowTo[string], "SELECT segment FROM rebuilt_segments")
}

// RecordSegment records that a segment of messages is in the schema.
func (s *Store) RecordSegment(ctx context.Context, segment string) error {
	return s.exec(ctx, "recording what is rebuilt", "INSERT INTO rebuilt_segments VALUES ($1) ON CONFLICT DO NOTHING", segment)
}

// PortalRequests hands over the requests that clients made at the personal account, by
// account and arrival: no topic has them. late says that a request of the account had
// come by message before.
func (s *Store) PortalRequests(ctx context.Context, see func(f models.Fact, late bool) error) error {
	return s.once(ctx, beginReadOnly, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		return pgcopy.Visit(ctx, tx.pgx, "requests at the personal account", func(v [][]byte) error {
			from := topicNames{}.unpack(v[3])
			return see(models.Fact{At: from.At, Provenance: from, Data: models.ActivationRequested{
				AccountID: pgcopy.Int8(v[0]), Code: string(v[1]), RequestedAt: pgcopy.Time(v[2]),
			}}, pgcopy.Bool(v[4]))
		}, `SELECT account_id, code, requested_at, provenance, EXISTS (SELECT 1 FROM activations o
				WHERE o.account_id = a.account_id AND o.seq < a.seq AND get_byte(o.provenance, 0) <> 0)
			FROM activations a WHERE get_byte(provenance, 0) = 0 ORDER BY account_id, seq`)
	})
}

// RecoverCodes stores codes that accounts have been told, and returns how many were not
// there. An account that has none yet, or is not known yet, gets the first one; its
// registration then draws no other.
func (s *Store) RecoverCodes(ctx context.Context, codes []models.IssuedCode) (added int64, err error) {
	accounts := column(codes, func(c models.IssuedCode) int64 { return c.AccountID })
	texts := column(codes, func(c models.IssuedCode) string { return c.Code })
	const told = "unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS t (account_id, code, n)"
	err = s.write(ctx, "taking codes back", func(tx *tx) error {
		var code string
		var heard, owner int64
		found, err := tx.scan("looking for codes of other accounts", []any{&code, &heard, &owner},
			"SELECT code, t.account_id, codes.account_id FROM codes JOIN "+told+" USING (code) WHERE codes.account_id <> t.account_id LIMIT 1", accounts, texts)
		if err != nil {
			return err
		}
		if found {
			return fmt.Errorf("the code %s was told to account %d, and account %d has it in the database: is it the topic of another installation?", code, heard, owner)
		}
		added, err = tx.change("storing codes", "INSERT INTO codes (code, account_id) SELECT DISTINCT ON (code) code, account_id FROM "+told+
			" ORDER BY code ON CONFLICT (code) DO NOTHING", accounts, texts)
		if err != nil {
			return err
		}
		return tx.exec("giving accounts their codes", "INSERT INTO accounts (account_id, code) SELECT DISTINCT ON (account_id) account_id, code FROM "+told+
			" ORDER BY account_id, n ON CONFLICT (account_id) DO UPDATE SET code = excluded.code WHERE accounts.code = ''", accounts, texts)
	})
	return added, err
}

// Requests is the requests of accounts to use a code, in the order of their arrival.
func (s *Store) Requests(ctx context.Context, accounts []int64) (requests map[int64][]*models.Activation, err error) {
	err = s.snapshot(ctx, "reading requests of accounts", func(tx *tx) error {
		requests = map[int64][]*models.Activation{}
		var batch pgcopy.Batch
		queueActivations(&batch, requests, accounts)
		return batch.Send(ctx, tx.pgx)
	})
	return requests, err
}

// RepeatDecisions takes the decisions of staff of another schema in their order, without
// those that it has already.
func (s *Store) RepeatDecisions(ctx context.Context, from string, derive models.DeriveFunc) error {
	var all []models.StaffDecision
	err := s.snapshot(ctx, "reading the decisions of staff", func(tx *tx) error {
		all = nil
		return pgcopy.Each(ctx, tx.pgx, "decisions", func(v [][]byte) { all = append(all, readStaffDecision(v)) },
			fmt.Sprintf("SELECT %s FROM %s.staff_decisions d WHERE (account_id, decision_id) NOT IN (SELECT account_id, decision_id FROM staff_decisions)",
				staffDecisionColumns, from))
	})
	if err != nil {
		return err
	}
	err = s.write(ctx, "repeating the decisions on services", func(tx *tx) error {
		return tx.exec("copying the decisions on services", fmt.Sprintf("INSERT INTO service_decisions SELECT * FROM %s.service_decisions ON CONFLICT DO NOTHING", from))
	})
	if err != nil {
		return err
	}
	models.SortDecisions(all)
	for _, d := range all {
		err := s.write(ctx, "repeating the decision "+d.ID.String(), func(tx *tx) error {
			set, _, err := tx.lockConcerned(ctx, &d)
			if err != nil {
				return err
			}
			return tx.carryOut(ctx, set, d, derive)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// CopyLedger replaces the ledger by that of another schema, with which the facts are to
// be reconciled.
func (s *Store) CopyLedger(ctx context.Context, from string) error {
	return s.write(ctx, "copying the ledger of the schema "+from, func(tx *tx) error {
		var copied int64
		if _, err := tx.scan("looking for a ledger", []any{&copied}, "SELECT count(*) FROM (SELECT 1 FROM runs LIMIT 1) r"); err != nil || copied > 0 {
			return err
		}
		if err := tx.copyTables(ctx, from, ledgerTables); err != nil {
			return err
		}
		// A month without invoices may have been run for its packages.
		return tx.exec("copying the state of the periods", fmt.Sprintf(`INSERT INTO periods SELECT * FROM %s.periods
			ON CONFLICT (period) DO UPDATE SET started_at = excluded.started_at, settled_at = excluded.settled_at, closed_at = excluded.closed_at, closed_by = excluded.closed_by`, from))
	})
}

// ForEachHistory hands every account to see, by id, with its facts but for invoices, where
// they came from, and what was derived from them. It is never repeated.
func (s *Store) ForEachHistory(ctx context.Context, see func(*models.AccountHistory) error) error {
	err := s.consistent(ctx, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		return tx.walk(ctx, "SELECT account_id FROM accounts WHERE $3 = 0", 0, func(ids []int64) error {
			l := newHistoryLoader(tx, ids, 0)
			var batch pgcopy.Batch
			set := queueWorkingSet(&batch, ids)
			if err := batch.Send(ctx, tx.pgx); err != nil {
				return err
			}
			l.assign(set)
			l.queueProvenances(&batch)
			if err := batch.Send(ctx, tx.pgx); err != nil {
				return err
			}
			return l.each(see)
		})
	})
	return wrap("reading the facts of all accounts", err)
}

// comparedRows is what has no place in the history of an account: as texts that name a
// row, by what it is.
var comparedRows = map[string]string{
	"answer":   "SELECT adjustment_id || ' ' || status || ' ' || amount_minor || ' at ' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS row, provenance, account_id FROM %s.results",
	"revision": "SELECT invoice_id || ' revision ' || revision || ' of account ' || account_id || ' in ' || period || ' ' || currency || ', lines ' || md5(lines) AS row, provenance, account_id FROM %s.invoices",
}

// LoneRows hands over the answers of billing and the revisions of invoices that only one
// of this schema and another one has.
func (s *Store) LoneRows(ctx context.Context, other string, see func(models.LoneRow) error) error {
	return s.consistent(ctx, func(tx *tx) error {
		if err := tx.disableStatementTimeout(); err != nil {
			return err
		}
		names, err := tx.topicNames(ctx)
		if err != nil {
			return err
		}
		for _, what := range slices.Sorted(maps.Keys(comparedRows)) {
			elsewhere, here := fmt.Sprintf(comparedRows[what], other), fmt.Sprintf(comparedRows[what], s.schema)
			err := pgcopy.Visit(ctx, tx.pgx, "rows of one schema alone", func(v [][]byte) error {
				return see(models.LoneRow{AccountID: pgcopy.Int8(v[3]), What: what, Row: string(v[0]), Elsewhere: pgcopy.Bool(v[1]), Provenance: names.unpack(v[2])})
			}, "WITH elsewhere AS MATERIALIZED ("+elsewhere+"), here AS MATERIALIZED ("+here+") "+
				loneIn("elsewhere", "here")+" UNION ALL "+loneIn("here", "elsewhere")+" ORDER BY 1")
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func loneIn(these, others string) string {
	return "SELECT t.row, '" + these + "' = 'elsewhere', t.provenance, t.account_id FROM " + these + " t WHERE NOT EXISTS (SELECT 1 FROM " + others + " o WHERE o.row = t.row)"
}

// DropSchema deletes this schema, which must be that of a rebuild, and its views for
// reports.
func (s *Store) DropSchema(ctx context.Context) error {
	return s.write(ctx, "dropping the schema "+string(s.schema), func(tx *tx) error {
		var rebuilt bool
		if _, err := tx.scan("looking for a rebuild", []any{&rebuilt}, "SELECT to_regclass('rebuilt_segments') IS NOT NULL"); err != nil {
			return err
		}
		if !rebuilt {
			return fmt.Errorf("the schema %s is not that of a rebuild", s.schema)
		}
		return tx.exec("dropping the schema", fmt.Sprintf("DROP SCHEMA IF EXISTS %s, %s CASCADE", s.schema.reporting(), s.schema))
	})
}
