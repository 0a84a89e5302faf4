package store

import (
	"context"

	"referral/models"
)

// DemoAccounts finds accounts worth showing in the demo on a day.
func (s *Store) DemoAccounts(ctx context.Context, today models.Date) (c models.DemoAccounts, err error) {
	const onLadder = `SELECT account_id FROM discounts WHERE kind = 'inviter' AND from_day <= $1 AND to_day > $1 `
	for _, find := range []struct {
		into *int64
		sql  string
	}{
		{&c.Highest, onLadder + `ORDER BY step DESC, to_day DESC, account_id LIMIT 1`},
		{&c.Climber, onLadder + `AND step = 1 ORDER BY to_day DESC, account_id LIMIT 1`},
		{&c.Packaged, `SELECT account_id FROM package_grants WHERE granted_on <= $1 ORDER BY granted_on DESC, account_id LIMIT 1`},
		{&c.Promised, `SELECT account_id FROM activations v JOIN accounts a USING (account_id) WHERE v.status = 'accepted' AND v.revoked_from IS NULL
			AND a.registered_at < $1::date + interval '1 day' AND a.promo_ended_at IS NULL AND a.terminated_at IS NULL ORDER BY v.requested_at DESC, account_id LIMIT 1`},
		{&c.Newcomer, `SELECT account_id FROM accounts a WHERE registered_at >= $1::date - interval '1 month' AND terminated_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM activations v WHERE v.account_id = a.account_id)
			AND NOT EXISTS (SELECT 1 FROM referrals r WHERE r.account_id = a.account_id) ORDER BY registered_at DESC, account_id LIMIT 1`},
	} {
		if _, err := s.scan(ctx, "looking for accounts to show", []any{find.into}, find.sql, today.Time()); err != nil {
			return c, err
		}
	}
	return c, nil
}
