package store

import (
	"context"
	"fmt"
	"time"
)

// retentionBatch is how many rows one statement of the retention deletes, and so
// how many it locks. It stands in the statements themselves: with a parameter the
// planner would expect a tenth of the table and read all of it.
const retentionBatch = 1000

// retentionRule deletes rows that are final and old.
type retentionRule struct {
	table string
	sql   string // handles at most retentionBatch rows that are older than $1, the oldest first
}

// retentionRules is every table that rows are deleted from because of their age.
// Rows that others have locked are left for the next time, except in tables that a
// distributed database has on several nodes, where no rows can be locked in one statement.
var retentionRules = []retentionRule{
	deleteOld("sessions", "id", "expires_at < $1", "expires_at"),
	deleteOld("staff_sessions", "id", "expires_at < $1", "expires_at"),
	deleteOld("code_tries", "scope, subject, window_ends", "window_ends < $1", "window_ends"),
	// A local day is over everywhere on earth by the end of the next one in UTC.
	deleteOld("invitation_days", "account_id, day", "day < $1::timestamptz::date", "day"),
	deleteOld("client_requests", "account_id, key", "taken_at < $1", "taken_at"),
	// Receipts for messages that are not ours. The others go with their invitation.
	deleteOld("invitation_parts", "carrier, carrier_id", "account_id IS NULL AND noted_at < $1", "noted_at"),
	{"invitations.recipient", oldRows("invitations", "account_id, invitation_id",
		"recipient <> '' AND created_at < $1 AND state NOT IN ('queued', 'sending')", "created_at") + `
		UPDATE invitations SET recipient = '', token = '' WHERE (account_id, invitation_id) IN (SELECT * FROM old)`},
	{"invitations", oldRows("invitations", "account_id, invitation_id",
		"recipient = '' AND created_at < $1 AND state NOT IN ('queued', 'sending')", "created_at") + `,
		parts AS (DELETE FROM invitation_parts WHERE (account_id, invitation_id) IN (SELECT * FROM old))
		DELETE FROM invitations WHERE (account_id, invitation_id) IN (SELECT * FROM old)`},
	deleteOld("recipients", "recipient_key", "opted_out_at IS NULL AND invited_on < $1::timestamptz::date", "invited_on"),
	{"dead_letters", oldRows("dead_letters", "id",
		"state IN ('resolved', 'discarded') AND published_at IS NOT NULL AND set_aside_at < $1", "set_aside_at") + `,
		outcomes AS (DELETE FROM dead_letter_outcomes WHERE dead_letter_id IN (SELECT * FROM old))
		DELETE FROM dead_letters WHERE id IN (SELECT * FROM old)`},
	deleteOld("slots", "slot", "claimed_at < $1", "claimed_at"),
	// The newest of each period is what the gauges show.
	deleteOld("reconciliations", "period, checked_at", `checked_at < $1
		AND EXISTS (SELECT 1 FROM reconciliations n WHERE n.period = reconciliations.period AND n.checked_at > reconciliations.checked_at)`, "checked_at"),
	{"rehearsed_amounts", `WITH orders AS MATERIALIZED (SELECT order_id FROM run_orders WHERE finished_at < $1),
			old AS MATERIALIZED (SELECT order_id, attempt, account_id FROM rehearsed_amounts WHERE order_id IN (SELECT order_id FROM orders)
				ORDER BY order_id, attempt, account_id LIMIT ` + fmt.Sprint(retentionBatch) + `)
		DELETE FROM rehearsed_amounts WHERE (order_id, attempt, account_id) IN (SELECT * FROM old)`},
	// The newest rehearsal of each period stays.
	{"run_orders", `WITH finished AS MATERIALIZED (SELECT order_id FROM run_orders WHERE finished_at < $1),
		rehearsed AS MATERIALIZED (SELECT DISTINCT order_id FROM rehearsed_amounts WHERE order_id IN (SELECT order_id FROM finished)), ` +
		oldest("run_orders", "order_id", `finished_at < $1 AND order_id NOT IN (SELECT order_id FROM rehearsed)
		AND (what <> 'rehearse' OR state <> 'done' OR EXISTS (SELECT 1 FROM run_orders n
			WHERE n.period = run_orders.period AND n.what = 'rehearse' AND n.state = 'done' AND n.order_id > run_orders.order_id))`, "finished_at") +
		" DELETE FROM run_orders WHERE order_id IN (SELECT * FROM old)"},
	// What the last run of each period has parked is what reports name.
	{"parked_accounts", `WITH past AS MATERIALIZED (SELECT run_id FROM runs r WHERE finished_at < $1
				AND EXISTS (SELECT 1 FROM runs n WHERE n.period = r.period AND n.run_id > r.run_id AND n.state IN ('done', 'incomplete'))),
			old AS MATERIALIZED (SELECT run_id, account_id, invoice_id FROM parked_accounts WHERE run_id IN (SELECT run_id FROM past)
				ORDER BY run_id, account_id, invoice_id LIMIT ` + fmt.Sprint(retentionBatch) + `)
		DELETE FROM parked_accounts WHERE (run_id, account_id, invoice_id) IN (SELECT * FROM old)`},
}

// oldRows is the beginning of a statement that works on the oldest rows.
func oldRows(table, key, where, age string) string { return "WITH " + oldest(table, key, where, age) }

// oldest is the part of a statement that selects and locks the oldest rows. It is
// materialized because a plan that reads it twice would lock more rows.
func oldest(table, key, where, age string) string {
	return fmt.Sprintf("old AS MATERIALIZED (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d FOR UPDATE SKIP LOCKED)",
		key, table, where, age, retentionBatch)
}

func deleteOld(table, key, where, age string) retentionRule {
	return retentionRule{table, oldRows(table, key, where, age) + fmt.Sprintf(" DELETE FROM %s WHERE (%s) IN (SELECT * FROM old)", table, key)}
}

// RetentionTables is the names under which [Store.DeleteExpired] is told how long
// to keep rows: those of the tables, "invitations.recipient" for the addresses of
// invitations, which are erased before the invitations are deleted, and
// "accounts.personal_data" for the personal data of accounts that left.
func RetentionTables() []string {
	var names []string
	for _, r := range retentionRules {
		names = append(names, r.table)
	}
	return append(names, terminatedAccounts)
}

// DeleteExpired deletes the rows that are older than keep says of their table; 0
// keeps them. What happens to one table does not depend on the others: of each of
// them note is told how many rows were deleted, and the error if not all were. Any number of processes
// may delete at once.
func (s *Store) DeleteExpired(ctx context.Context, keep map[string]time.Duration, note func(table string, rows int64, err error)) {
	now := s.now()
	for _, r := range retentionRules {
		age, known := keep[r.table]
		switch {
		case !known:
			note(r.table, 0, fmt.Errorf("no retention is given for %s", r.table))
		case age > 0:
			rows, err := s.deleteOlder(ctx, r, now.Add(-age))
			note(r.table, rows, err)
		}
	}
	if age := keep[terminatedAccounts]; age > 0 {
		accounts, err := s.eraseTerminated(ctx, now.Add(-age))
		note(terminatedAccounts, accounts, err)
	}
}

// terminatedAccounts is the name under which DeleteExpired is told how long the personal
// data of accounts that left are kept.
const terminatedAccounts = "accounts.personal_data"

func (s *Store) deleteOlder(ctx context.Context, r retentionRule, before time.Time) (rows int64, err error) {
	for batch := int64(retentionBatch); batch == retentionBatch; rows += batch {
		batch, err = s.change(ctx, "deleting old rows of "+r.table, r.sql, before)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}
