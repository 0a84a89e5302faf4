-- +goose Up
-- Reports see from which day a referral has no effect.
CREATE OR REPLACE VIEW finance.referrals AS
SELECT r.account_id AS inviter_id, r.invitee_id, r.activated_at, v.code, r.revoked_from
FROM referrals r LEFT JOIN activations v ON v.account_id = r.invitee_id AND v.status = 'accepted';
