package store

import (
	"context"
	"fmt"

	"referral/models"
)

// DemoAccounts finds accounts worth showing in the demo on a day.
func (s *Store) DemoAccounts(ctx context.Context, today models.Date) (c models.DemoAccounts, err error) {
	const onLadder = `SELECT account_id FROM discounts WHERE kind = 'inviter' AND from_day <= @today AND to_day > @today `
	for _, find := range []struct {
		into *int64
		sql  string
	}{
		{&c.Highest, onLadder + `ORDER BY step DESC, to_day DESC, account_id LIMIT 1`},
		{&c.Climber, onLadder + `AND step = 1 ORDER BY to_day DESC, account_id LIMIT 1`},
		{&c.Packaged, `SELECT account_id FROM package_grants WHERE granted_on <= @today ORDER BY granted_on DESC, account_id LIMIT 1`},
		{&c.Promised, `SELECT account_id FROM activations v JOIN accounts a USING (account_id) WHERE v.status = 'accepted'
			AND a.registered_at < CAST(@today AS date) + interval '1 day' AND a.promo_ended_at IS NULL AND a.terminated_at IS NULL ORDER BY v.requested_at DESC, account_id LIMIT 1`},
		{&c.Newcomer, `SELECT account_id FROM accounts a WHERE registered_at >= CAST(@today AS date) - interval '1 month' AND terminated_at IS NULL
			AND NOT EXISTS (SELECT FROM activations v WHERE v.account_id = a.account_id)
			AND NOT EXISTS (SELECT FROM referrals r WHERE r.account_id = a.account_id) ORDER BY registered_at DESC, account_id LIMIT 1`},
	} {
		err := s.gorm.WithContext(ctx).Raw(find.sql, map[string]any{"today": dateValue(today)}).Scan(find.into).Error
		if err != nil {
			return c, fmt.Errorf("looking for accounts to show: %w", err)
		}
	}
	return c, nil
}
