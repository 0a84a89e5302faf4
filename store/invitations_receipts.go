package store

import (
	"context"

	"referral/models"
)

// RecordReceipt saves a transport's receipt for a part of a message. A message has
// arrived when all its parts have, and has failed when one of them has. A receipt
// may come twice, for no message of ours, or before it is known whose it is.
func (s *Store) RecordReceipt(ctx context.Context, receipt models.Receipt) error {
	err := s.write(ctx, "noting a transport's receipt", func(tx *tx) error {
		var account *int64
		var invitation *[16]byte
		_, err := tx.scan("noting the part", []any{&account, &invitation}, `INSERT INTO invitation_parts AS p (carrier, carrier_id, state, noted_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (carrier, carrier_id) DO UPDATE SET state = CASE WHEN p.state = '' THEN EXCLUDED.state ELSE p.state END
			RETURNING account_id, invitation_id`, receipt.Transport, receipt.TransportID, receipt.State, tx.now)
		if err != nil || account == nil {
			return err
		}
		return tx.sumUpParts(*account, *invitation)
	})
	return err
}

// noteParts saves the transport's ids of an invitation's parts. Transports use ids again
// after some time: they then belong to the newest message.
func (t *tx) noteParts(r *invitationRecord, ids []string) error {
	for _, id := range ids {
		err := t.exec("noting the transport's ids", `INSERT INTO invitation_parts AS p (carrier, carrier_id, account_id, invitation_id, noted_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (carrier, carrier_id) DO UPDATE SET account_id = EXCLUDED.account_id, invitation_id = EXCLUDED.invitation_id,
				noted_at = EXCLUDED.noted_at, state = CASE WHEN p.account_id IS NULL THEN p.state ELSE '' END`,
			r.Transport, id, r.AccountID, [16]byte(r.InvitationID), t.now)
		if err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return t.sumUpParts(r.AccountID, [16]byte(r.InvitationID))
}

// sumUpParts makes of the parts' receipts the state of the whole. The invitation
// is locked first: two receipts at the same moment would else not see each other.
func (t *tx) sumUpParts(account int64, id [16]byte) error {
	err := t.exec("locking the invitation", "SELECT 1 FROM invitations WHERE account_id = $1 AND invitation_id = $2 FOR UPDATE", account, id)
	if err != nil {
		return err
	}
	return t.exec("summing up the parts", `UPDATE invitations i SET state = CASE WHEN p.failed THEN 'failed' ELSE 'delivered' END, changed_at = $1
		FROM (SELECT bool_or(state = 'failed') AS failed, bool_and(state = 'delivered') AS delivered FROM invitation_parts
			WHERE account_id = $2 AND invitation_id = $3) AS p
		WHERE i.account_id = $2 AND i.invitation_id = $3 AND i.state IN ('sent', 'unknown') AND (p.failed OR p.delivered)`, t.now, account, id)
}
