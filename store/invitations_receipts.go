package store

import (
	"context"
	"fmt"

	"referral/models"
)

// RecordReceipt notes a transport's word about a part of a message. A message has
// arrived when all its parts have, and has failed when one of them has. A receipt
// may come twice, for no message of ours, or before it is known whose it is.
func (s *Store) RecordReceipt(ctx context.Context, receipt models.Receipt) error {
	err := s.write(ctx, func(tx *tx) error {
		var parts []struct {
			AccountID    *int64
			InvitationID *uuidValue
		}
		err := tx.Raw(`INSERT INTO invitation_parts AS p (carrier, carrier_id, state, noted_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (carrier, carrier_id) DO UPDATE SET state = CASE p.state WHEN '' THEN EXCLUDED.state ELSE p.state END
			RETURNING account_id, invitation_id`, receipt.Transport, receipt.TransportID, receipt.State, tx.now).Scan(&parts).Error
		if err != nil || parts[0].AccountID == nil {
			return err
		}
		return tx.sumUpParts(*parts[0].AccountID, *parts[0].InvitationID)
	})
	if err != nil {
		return fmt.Errorf("noting a transport's receipt: %w", err)
	}
	return nil
}

// noteParts says whose the transport's ids are. Transports use ids again after some
// time: the newest message has them then.
func (t *tx) noteParts(r *invitationRecord, ids []string) error {
	for _, id := range ids {
		err := t.Exec(`INSERT INTO invitation_parts AS p (carrier, carrier_id, account_id, invitation_id, noted_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (carrier, carrier_id) DO UPDATE SET account_id = EXCLUDED.account_id, invitation_id = EXCLUDED.invitation_id,
				noted_at = EXCLUDED.noted_at, state = CASE WHEN p.account_id IS NULL THEN p.state ELSE '' END`,
			r.Transport, id, r.AccountID, r.InvitationID, t.now).Error
		if err != nil {
			return fmt.Errorf("noting the transport's ids: %w", err)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return t.sumUpParts(r.AccountID, r.InvitationID)
}

// sumUpParts makes of the parts' receipts the state of the whole. The invitation
// is locked first: two receipts at the same moment would else not see each other.
func (t *tx) sumUpParts(account int64, id uuidValue) error {
	err := t.Exec("SELECT 1 FROM invitations WHERE account_id = ? AND invitation_id = ? FOR UPDATE", account, id).Error
	if err != nil {
		return fmt.Errorf("locking the invitation: %w", err)
	}
	return t.Exec(`UPDATE invitations i SET state = CASE WHEN p.failed THEN 'failed' ELSE 'delivered' END, changed_at = ?
		FROM (SELECT bool_or(state = 'failed') AS failed, bool_and(state = 'delivered') AS delivered FROM invitation_parts
			WHERE account_id = ? AND invitation_id = ?) AS p
		WHERE i.account_id = ? AND i.invitation_id = ? AND i.state IN ('sent', 'unknown') AND (p.failed OR p.delivered)`,
		t.now, account, id, account, id).Error
}
