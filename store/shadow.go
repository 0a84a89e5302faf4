package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// LeaveShadowMode has the packages looked at again that were earned in closed periods of
// the shadow mode, and that the older system has not given: the next runs send them. It
// may be called at every start.
func (s *Store) LeaveShadowMode(ctx context.Context) error {
	return s.exec(ctx, "marking packages of the shadow mode", `INSERT INTO stale (period, account_id)
		SELECT DISTINCT p.period, g.account_id FROM periods p JOIN package_grants g ON p.period = `+grantedMonth+`
		WHERE p.shadow AND p.closed_at IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms AND s.ordinal = g.ordinal)
			AND (SELECT count(*) FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms)
				< (SELECT count(*) FROM package_grants e WHERE e.account_id = g.account_id AND e.sms = g.sms)
			AND NOT EXISTS (SELECT 1 FROM stale m WHERE m.period = p.period AND m.account_id = g.account_id)`)
}

// MarkBooked has the accounts looked at by the run that books what an older system has
// given in a period: those of the invoices, and those given. It returns what nothing can be
// booked on: invoices that are not of the period, and accounts that have none in it.
func (s *Store) MarkBooked(ctx context.Context, period models.Period, invoices []string, accounts []int64) (notInvoices []string, notAccounts []int64, err error) {
	err = s.write(ctx, "marking what an older system has given in "+period.String(), func(tx *tx) error {
		if err := tx.exec("marking accounts", `INSERT INTO stale (period, account_id)
			SELECT DISTINCT $1::integer, account_id FROM (SELECT account_id FROM invoice_ids WHERE invoice_id = ANY($2) UNION SELECT unnest($3::bigint[])) a`, period, invoices, accounts); err != nil {
			return err
		}
		const newest = `SELECT v.period FROM invoices v WHERE (v.storage_period, v.account_id, v.invoice_id) = (k.storage_period, k.account_id, k.invoice_id)
			ORDER BY v.revision DESC LIMIT 1`
		rows, err := tx.pgx.Query(ctx, `SELECT i FROM unnest($1::text[]) i WHERE NOT EXISTS (
			SELECT FROM invoice_ids k WHERE k.invoice_id = i AND (`+newest+`) = $2)`, invoices, period)
		if err != nil {
			return err
		}
		if notInvoices, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		if rows, err = tx.pgx.Query(ctx, `SELECT a FROM unnest($1::bigint[]) a WHERE NOT EXISTS (
			SELECT FROM invoices k WHERE k.account_id = a AND k.period = $2 AND (`+newest+`) = $2)`, accounts, period); err != nil {
			return err
		}
		notAccounts, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return notInvoices, notAccounts, err
}
