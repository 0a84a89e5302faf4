package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm/clause"

	"referral/models"
)

// ClaimInvitations claims up to limit invitations of a channel that are due for a
// sender. It is committed before anything is sent: of a sender that dies, it is unknown
// which invitations were sent. Any number of senders may claim at once.
//
// What another transport may have sent is claimed too, with that transport's name: the
// sender records it as unknown.
func (s *Store) ClaimInvitations(ctx context.Context, channel models.Channel, transport string, limit int) ([]models.ClaimedInvitation, error) {
	var list []models.ClaimedInvitation
	err := s.write(ctx, "claiming invitations", func(tx *tx) error {
		var records []invitationRecord
		// Materialized, because a plan that reads the due rows twice would lock more
		// than the limit.
		err := tx.Raw(`WITH due AS MATERIALIZED (SELECT account_id, invitation_id FROM invitations
				WHERE state = 'queued' AND channel = ? AND next_try_at <= ? ORDER BY next_try_at LIMIT ? FOR UPDATE SKIP LOCKED)
			UPDATE invitations i SET state = 'sending', claimed_at = ?, changed_at = ?, attempts = attempts + 1,
				carrier = CASE WHEN in_doubt THEN carrier ELSE ? END
			FROM due WHERE i.account_id = due.account_id AND i.invitation_id = due.invitation_id RETURNING i.*`,
			channel, tx.now, limit, tx.now, tx.now, transport).Scan(&records).Error
		list = claimed(records, transport)
		return err
	})
	return list, err
}

func claimed(records []invitationRecord, transport string) []models.ClaimedInvitation {
	list := make([]models.ClaimedInvitation, len(records))
	for i := range records {
		r := &records[i]
		list[i] = models.ClaimedInvitation{
			Claim:   models.InvitationClaim{AccountID: r.AccountID, ID: models.UUID(r.InvitationID), Attempt: r.Attempts},
			Channel: r.Channel, Recipient: r.Recipient, Code: r.Code, Token: r.Token,
			Deferrals: r.PutOff, CreatedAt: r.CreatedAt.UTC(),
		}
		if r.Transport != transport {
			list[i].MaybeSentBy = r.Transport
		}
	}
	return list
}

// RecordInvitationOutcome saves the outcome of an attempt, unless the invitation was
// claimed again or has an outcome already; that it was sent replaces an outcome that
// was unknown. It is not queued again if the recipient has opted out.
func (s *Store) RecordInvitationOutcome(ctx context.Context, c models.InvitationClaim, o models.InvitationOutcome) error {
	err := s.write(ctx, "recording the outcome of an invitation", func(tx *tx) error {
		tx.now = stored(tx.now)
		record, err := tx.lockClaimed(c)
		if err != nil || record == nil || !holds(record, o) {
			return err
		}
		if err := tx.settle(record, o); err != nil {
			return err
		}
		return tx.noteParts(record, o.TransportIDs)
	})
	return err
}

// lockClaimed is the invitation of a claim; nil when it was claimed again.
func (t *tx) lockClaimed(c models.InvitationClaim) (*invitationRecord, error) {
	var records []invitationRecord
	err := t.Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("account_id = ? AND invitation_id = ? AND attempts = ?", c.AccountID, uuid.UUID(c.ID), c.Attempt).Find(&records).Error
	if err != nil || len(records) == 0 {
		return nil, err
	}
	return &records[0], nil
}

// holds tells whether an outcome says something new of an invitation.
func holds(r *invitationRecord, o models.InvitationOutcome) bool {
	return r.State == models.InvitationSending || r.State == models.InvitationUnknown && o.State == models.InvitationSent
}

// settle ends the claim of an invitation.
func (t *tx) settle(r *invitationRecord, o models.InvitationOutcome) error {
	r.State, r.ChangedAt, r.ClaimedAt, r.InDoubt = o.State, t.now, nil, r.InDoubt || o.InDoubt
	if o.State == models.InvitationQueued {
		out, err := t.optedOut(models.RecipientKey(r.RecipientKey))
		if err != nil {
			return err
		}
		r.NextTryAt, r.PutOff = o.RetryAt, o.Deferrals
		if out {
			r.State = models.InvitationOptedOut
		} else if r.Recipient == "" { // it was erased meanwhile
			r.State = models.InvitationFailed
		}
	}
	if r.State == models.InvitationFailed && r.InDoubt {
		r.State = models.InvitationUnknown // this attempt or an earlier one may have gone out
	}
	if r.State != models.InvitationQueued {
		r.Token = "" // nobody writes the link any more
	}
	if len(o.TransportIDs) > 0 {
		r.TransportID = o.TransportIDs[0]
	}
	return t.Save(r).Error
}

// releaseLimit is how many claims are released at once.
const releaseLimit = 500

// ReleaseInvitations ends claims from before a time, whose senders are taken for dead.
// Those of repeatable transports, whose peers drop a repeat, are queued again, for the
// same transport only. Of all others it is unknown whether they were sent, and they are
// not sent again; their number is returned by channel.
func (s *Store) ReleaseInvitations(ctx context.Context, before time.Time, repeatable []string) (map[models.Channel]int, error) {
	unknown := map[models.Channel]int{}
	err := s.write(ctx, "releasing the invitations of dead senders", func(tx *tx) error {
		clear(unknown)
		var records []invitationRecord
		err := tx.Clauses(clause.Locking{Strength: "UPDATE", Options: "SKIP LOCKED"}).
			Where("state = 'sending' AND claimed_at < ?", before).Order("claimed_at").Limit(releaseLimit).Find(&records).Error
		if err != nil {
			return err
		}
		for i := range records {
			if err := tx.release(&records[i], repeatable); err != nil {
				return err
			}
			if records[i].State == models.InvitationUnknown {
				unknown[records[i].Channel]++
			}
		}
		return nil
	})
	return unknown, err
}

func (t *tx) release(r *invitationRecord, repeatable []string) error {
	o := models.InvitationOutcome{State: models.InvitationUnknown}
	if slices.Contains(repeatable, r.Transport) {
		o = models.InvitationOutcome{State: models.InvitationQueued, RetryAt: t.now, Deferrals: r.PutOff, InDoubt: true}
	}
	return t.settle(r, o)
}

// InvitationQueues is what waits to be sent, for each channel that has something.
func (s *Store) InvitationQueues(ctx context.Context) ([]models.InvitationQueue, error) {
	return list(ctx, s, "counting the invitations that wait", func(row pgx.CollectableRow) (q models.InvitationQueue, err error) {
		var oldest *time.Time
		err = row.Scan(&q.Channel, &q.Waiting, &q.Claimed, &oldest)
		q.Oldest = zeroTime(oldest)
		return q, err
	}, `SELECT channel, count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'sending'), min(created_at) FILTER (WHERE state = 'queued')
		FROM invitations WHERE state = 'queued' OR state = 'sending' GROUP BY channel ORDER BY channel`)
}
