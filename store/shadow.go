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
// given in a period: those of the invoices, and those given. It returns the invoices that
// are not known.
func (s *Store) MarkBooked(ctx context.Context, period models.Period, invoices []string, accounts []int64) (unknown []string, err error) {
	err = s.write(ctx, "marking what an older system has given in "+period.String(), func(tx *tx) error {
		if err := tx.exec("marking accounts", `INSERT INTO stale (period, account_id)
			SELECT DISTINCT $1::integer, account_id FROM (SELECT account_id FROM invoice_ids WHERE invoice_id = ANY($2) UNION SELECT unnest($3::bigint[])) a`, period, invoices, accounts); err != nil {
			return err
		}
		rows, err := tx.pgx.Query(ctx, "SELECT i FROM unnest($1::text[]) i WHERE NOT EXISTS (SELECT FROM invoice_ids k WHERE k.invoice_id = i)", invoices)
		if err != nil {
			return err
		}
		unknown, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return unknown, err
}
