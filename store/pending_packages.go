package store

import (
	"context"
	"fmt"

	"referral/models"
)

// pendingPackages counts, by month, the packages earned before $1 that have not
// gone out in months that no invoice has named: no clock runs those.
const pendingPackages = `SELECT extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int AS month, count(*)
	FROM package_grants g
	WHERE g.granted_on < $1
		AND NOT EXISTS (SELECT 1 FROM periods p
			WHERE p.period = extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int)
		AND NOT EXISTS (SELECT 1 FROM sms_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms AND s.ordinal = g.ordinal)
		AND (SELECT count(*) FROM sms_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms)
			< (SELECT count(*) FROM package_grants e WHERE e.account_id = g.account_id AND e.sms = g.sms)
	GROUP BY 1`

// PendingPackages is how many packages earned before a day wait for the run of a
// month that no invoice has named, by month.
func (s *Store) PendingPackages(ctx context.Context, before models.Date) (waiting map[models.Period]int64, err error) {
	err = s.snapshot(ctx, true, func(tx *tx) error {
		waiting, err = tx.pendingPackages(ctx, before)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for packages that wait: %w", err)
	}
	return waiting, nil
}

func (t *tx) pendingPackages(ctx context.Context, before models.Date) (map[models.Period]int64, error) {
	waiting := map[models.Period]int64{}
	err := each(ctx, t.pgx, "packages that wait", func(v [][]byte) {
		waiting[models.Period(getInt4(v[0]))] = getInt8(v[1])
	}, pendingPackages, before.Time())
	return waiting, err
}

// unnamedMonths is the months in which an account has earned a package and that no
// invoice, of whomever, has named.
func (l *auditLoader) unnamedMonths(ctx context.Context) error {
	return each(ctx, l.pgx, "months of packages", func(v [][]byte) {
		c := &l.list[l.index[getInt8(v[0])]]
		c.Unnamed = append(c.Unnamed, models.Period(getInt4(v[1])))
	}, `SELECT account_id, month FROM (SELECT DISTINCT account_id, extract(year FROM granted_on)::int * 100 + extract(month FROM granted_on)::int AS month
			FROM package_grants WHERE account_id = ANY($1)) g
		WHERE NOT EXISTS (SELECT 1 FROM periods p WHERE p.period = g.month) ORDER BY account_id, month`, l.ids)
}
