package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"referral/models"
)

type invitationRecord struct {
	AccountID    int64     `gorm:"primaryKey;autoIncrement:false"`
	InvitationID uuid.UUID `gorm:"primaryKey;type:uuid"`
	Channel      models.Channel
	Recipient    string
	RecipientKey []byte
	Code         string
	Day          time.Time
	State        models.InvitationState
	Attempts     int
	PutOff       int
	NextTryAt    time.Time
	ClaimedAt    *time.Time
	Transport    string `gorm:"column:carrier"`
	InDoubt      bool
	TransportID  string `gorm:"column:carrier_id"`
	Token        string
	TokenHash    []byte
	CreatedAt    time.Time
	ChangedAt    time.Time
}

func (invitationRecord) TableName() string { return "invitations" }

func (r *invitationRecord) invitation() models.Invitation {
	return models.Invitation{
		ID: models.UUID(r.InvitationID), AccountID: r.AccountID, Channel: r.Channel, Recipient: r.Recipient, Code: r.Code,
		State: r.State, Attempts: r.Attempts, TransportID: r.TransportID, CreatedAt: r.CreatedAt.UTC(), ChangedAt: r.ChangedAt.UTC(),
	}
}

func newInvitation(q *models.InvitationRequest, now time.Time) invitationRecord {
	digest := models.TokenDigest(q.Token)
	return invitationRecord{
		AccountID: q.AccountID, InvitationID: uuid.UUID(q.ID), Channel: q.Channel, Recipient: q.Recipient, RecipientKey: q.Key[:],
		Code: q.Code, Day: q.Day.Time(), State: models.InvitationQueued, NextTryAt: now,
		Token: q.Token, TokenHash: digest[:], CreatedAt: now, ChangedAt: now,
	}
}

// Invite queues an invitation, to be sent by the process that claims it. A repeat with
// the same id returns the first one. Errors wrap models.ErrTooManyInvitations,
// models.ErrRecipientInvited or models.ErrOptedOut.
//
// An invitation that fails counts for the day too: otherwise failures would get round
// the limits.
func (s *Store) Invite(ctx context.Context, q models.InvitationRequest) (i models.Invitation, err error) {
	err = s.write(ctx, "queueing an invitation", func(tx *tx) error {
		tx.now = stored(tx.now) // as the database will give it back
		i, err = tx.invite(&q)
		return err
	})
	return i, err
}

func (t *tx) invite(q *models.InvitationRequest) (models.Invitation, error) {
	taken, err := t.lockInvitationDay(q)
	if err != nil {
		return models.Invitation{}, err
	}
	// Behind the lock, so that of two equal requests the second finds the first.
	before, found, err := t.invitationByID(q)
	if err != nil || found {
		return before, err
	}
	if q.Code == "" {
		return models.Invitation{}, errors.New("no invitation without a code")
	}
	if taken >= q.PerDay {
		return models.Invitation{}, models.ErrTooManyInvitations
	}
	if err := t.reserveRecipient(q); err != nil {
		return models.Invitation{}, err
	}
	record := newInvitation(q, t.now)
	if err := t.Create(&record).Error; err != nil {
		return models.Invitation{}, err
	}
	err = t.exec("counting the invitation", "UPDATE invitation_days SET taken = taken + 1 WHERE account_id = $1 AND day = $2", q.AccountID, q.Day.Time())
	return record.invitation(), err
}

// lockInvitationDay has the client's other requests wait, and tells how many
// invitations the day has seen.
func (t *tx) lockInvitationDay(q *models.InvitationRequest) (taken int, err error) {
	_, err = t.scan("locking the client's day", []any{&taken}, `INSERT INTO invitation_days (account_id, day, taken) VALUES ($1, $2, 0)
		ON CONFLICT (account_id, day) DO UPDATE SET taken = invitation_days.taken RETURNING taken`, q.AccountID, q.Day.Time())
	return taken, err
}

func (t *tx) invitationByID(q *models.InvitationRequest) (i models.Invitation, found bool, err error) {
	var records []invitationRecord
	err = t.Where("account_id = ? AND invitation_id = ?", q.AccountID, uuid.UUID(q.ID)).Limit(1).Find(&records).Error
	if err != nil {
		return i, false, fmt.Errorf("looking for the same invitation: %w", err)
	}
	if len(records) == 0 {
		return i, false, nil
	}
	return records[0].invitation(), true, nil
}

// reserveRecipient uses up the recipient's one invitation of the day. The row stays
// locked until the transaction ends.
func (t *tx) reserveRecipient(q *models.InvitationRequest) error {
	rows, err := t.change("locking the recipient", `INSERT INTO recipients AS r (recipient_key, invited_on) VALUES ($1, $2)
		ON CONFLICT (recipient_key) DO UPDATE SET invited_on = EXCLUDED.invited_on
		WHERE r.opted_out_at IS NULL AND r.invited_on < EXCLUDED.invited_on`, q.Key[:], q.Day.Time())
	if err != nil || rows == 1 {
		return err
	}
	out, err := t.optedOut(q.Key)
	if err == nil && !out {
		err = models.ErrRecipientInvited
	}
	if err == nil {
		err = models.ErrOptedOut
	}
	return err
}

// optedOut tells whether a recipient wants no invitations; that does not change
// before the transaction ends.
func (t *tx) optedOut(key models.RecipientKey) (out bool, err error) {
	_, err = t.scan("reading the recipient", []any{&out}, "SELECT opted_out_at IS NOT NULL FROM recipients WHERE recipient_key = $1 FOR SHARE", key[:])
	return out, err
}

// Invitations is those that a client has sent, the newest first. after is the
// last one of the page before; zero for the first page.
func (s *Store) Invitations(ctx context.Context, account int64, after models.UUID, limit int) ([]models.Invitation, error) {
	q := s.gorm.WithContext(ctx).Where("account_id = ?", account)
	if after != (models.UUID{}) {
		q = q.Where(`(created_at, invitation_id) < (SELECT created_at, invitation_id FROM invitations
			WHERE account_id = ? AND invitation_id = ?)`, account, uuid.UUID(after))
	}
	var records []invitationRecord
	err := q.Order("created_at DESC, invitation_id DESC").Limit(limit).Find(&records).Error
	return convert(records, (*invitationRecord).invitation), wrap("reading a client's invitations", err)
}

// OptOut blocks the recipient of the invitation with this token, and cancels what is
// queued for it. It may be repeated. found is false for a token that belongs to no
// invitation.
func (s *Store) OptOut(ctx context.Context, token models.Digest) (found bool, err error) {
	err = s.write(ctx, "opting a recipient out", func(tx *tx) error {
		var key []byte
		if found, err = tx.scan("looking for the token", []any{&key}, "SELECT recipient_key FROM invitations WHERE token_hash = $1 LIMIT 1", token[:]); err != nil || !found {
			return err
		}
		return tx.optOut(key)
	})
	return found && err == nil, err
}

func (t *tx) optOut(key []byte) error {
	err := t.exec("noting the recipient's wish", `INSERT INTO recipients AS r (recipient_key, invited_on, opted_out_at) VALUES ($1, $2::timestamptz::date, $2)
		ON CONFLICT (recipient_key) DO UPDATE SET opted_out_at = coalesce(r.opted_out_at, EXCLUDED.opted_out_at)`, key, t.now)
	if err != nil {
		return err
	}
	return t.exec("cancelling queued invitations", `UPDATE invitations SET state = 'opted_out', token = '', changed_at = $1
		WHERE recipient_key = $2 AND state = 'queued'`, t.now, key)
}
