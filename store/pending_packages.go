package store

import (
	"context"

	"referral/models"
	"referral/store/pgcopy"
)

// grantedMonth is the month in which a package of package_grants g was earned.
const grantedMonth = "extract(year FROM g.granted_on)::int * 100 + extract(month FROM g.granted_on)::int"

// pendingPackages counts, by month, the packages earned before $1 that have not gone out
// in months that no invoice has named: no clock runs those. What is still owed is said
// by the rule of billing's Settle, with the months run in their order: as many packages
// of a size as were earned, less those that went out, whatever their numbers. A test
// holds one against the other.
const pendingPackages = "SELECT " + grantedMonth + ` AS month, count(*)
	FROM package_grants g
	WHERE g.granted_on < $1
		AND NOT EXISTS (SELECT 1 FROM periods p WHERE p.period = ` + grantedMonth + `)
		AND NOT EXISTS (SELECT 1 FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms AND s.ordinal = g.ordinal)
		AND (SELECT count(*) FROM given_packages s WHERE s.account_id = g.account_id AND s.sms = g.sms)
			+ (SELECT count(*) FROM package_grants e WHERE e.account_id = g.account_id AND e.sms = g.sms
				AND (e.granted_on, e.ordinal) < (g.granted_on, g.ordinal)
				AND NOT EXISTS (SELECT 1 FROM given_packages s WHERE s.account_id = e.account_id AND s.sms = e.sms AND s.ordinal = e.ordinal))
			< (SELECT count(*) FROM package_grants e WHERE e.account_id = g.account_id AND e.sms = g.sms)
	GROUP BY 1`

// PendingPackages is how many packages earned before a day wait for the run of a
// month that no invoice has named, by month.
func (s *Store) PendingPackages(ctx context.Context, before models.Date) (pending map[models.Period]int64, err error) {
	err = s.snapshot(ctx, "counting pending packages", func(tx *tx) error {
		var batch pgcopy.Batch
		pending = queuePendingPackages(&batch, before)
		return batch.Send(ctx, tx.pgx)
	})
	return pending, err
}

func queuePendingPackages(batch *pgcopy.Batch, before models.Date) map[models.Period]int64 {
	pending := map[models.Period]int64{}
	batch.Each("pending packages", func(v [][]byte) { pending[pgcopy.Period(v[0])] = pgcopy.Int8(v[1]) }, pendingPackages, before.Time())
	return pending
}
