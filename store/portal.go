package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// portalQuery is all that the main page of one account is made of, in one
// statement: one round trip, and one view of the database. Of the account's
// requests the accepted one matters, and whether one waits.
const portalQuery = `SELECT a.account_id IS NOT NULL, m.account_id IS NOT NULL,
	coalesce(a.code, ''), coalesce(a.name, ''), coalesce(a.promo_until, ''), a.registered_at, a.promo_ended_at, a.terminated_at,
	EXISTS (SELECT 1 FROM activations v WHERE v.account_id = q.id AND v.status = 'pending'),
	v.requested_at, v.revoked_from, r.invitees, r.activated, r.revoked, p.sms, p.ordinals, p.granted, p.periods, p.answers, p.answered, p.resent, p.written
FROM (SELECT $1::bigint AS id) q
LEFT JOIN accounts a ON a.account_id = q.id
LEFT JOIN memberships m ON m.account_id = q.id
LEFT JOIN activations v ON v.account_id = q.id AND v.status = 'accepted'
LEFT JOIN LATERAL (SELECT array_agg(f.invitee_id) AS invitees, array_agg(f.activated_at) AS activated, array_agg(f.revoked_from) AS revoked
	FROM referrals f WHERE f.account_id = q.id) r ON true
LEFT JOIN LATERAL (SELECT array_agg(s.sms) AS sms, array_agg(s.ordinal) AS ordinals, array_agg(s.granted_on) AS granted, array_agg(s.period) AS periods,
	array_agg(coalesce((SELECT x.status FROM results x WHERE x.adjustment_id = s.package_id ORDER BY x.at DESC, x.status DESC LIMIT 1), '')) AS answers,
	array_agg((SELECT max(x.at) FROM results x WHERE x.adjustment_id = s.package_id)) AS answered,
	array_agg((SELECT d.rejected_at FROM document_resends d WHERE d.account_id = s.account_id AND d.document_id = s.package_id
		ORDER BY d.resend_id DESC LIMIT 1)) AS resent,
	array_agg(EXISTS (SELECT 1 FROM document_write_offs w WHERE w.account_id = s.account_id AND w.document_id = s.package_id)) AS written
	FROM sms_packages s WHERE s.account_id = q.id) p ON true`

// portalRow is what portalQuery finds.
type portalRow struct {
	known, entered               bool
	code, name, promoUntil       string
	registered, promoEnded, left *time.Time
	waits                        bool
	accepted, revokedFrom        *time.Time
	invitees                     []int64
	activated                    []time.Time
	revoked                      []*time.Time
	sms, ordinals                []int
	granted                      []time.Time
	periods                      []models.Period
	answers                      []string
	answered, resent             []*time.Time // how billing dated the answer that counts, and the one that was replied to
	written                      []bool
}

func (r *portalRow) fields() []any {
	return []any{
		&r.known, &r.entered, &r.code, &r.name, &r.promoUntil, &r.registered, &r.promoEnded, &r.left, &r.waits, &r.accepted, &r.revokedFrom,
		&r.invitees, &r.activated, &r.revoked, &r.sms, &r.ordinals, &r.granted, &r.periods, &r.answers, &r.answered, &r.resent, &r.written,
	}
}

// PortalAccount is the facts of an account that its main page shows: no invoices, no
// requests that were refused, of the profile the name alone, and of billing's
// answers to a package the one that counts. entered tells that it takes part
// without a code; known is false when no fact about it has arrived.
func (s *Store) PortalAccount(ctx context.Context, account int64) (c models.AccountHistory, entered, known bool, err error) {
	var row portalRow
	if _, err := s.scan(ctx, "reading what an account has", row.fields(), portalQuery, account); err != nil {
		return c, false, false, err
	}
	return row.history(account), row.entered, row.known, nil
}

func (r *portalRow) history(account int64) models.AccountHistory {
	c := models.AccountHistory{Account: models.Account{
		ID: account, Code: r.code, Profile: models.Profile{Name: r.name, PromoUntil: r.promoUntil},
		RegisteredAt: zeroTime(r.registered), PromoEndedAt: zeroTime(r.promoEnded), TerminatedAt: zeroTime(r.left),
	}}
	if r.accepted != nil {
		c.Activations = append(c.Activations, &models.Activation{
			AccountID: account, RequestedAt: r.accepted.UTC(), Status: models.ActivationAccepted, RevokedFrom: nullDay(r.revokedFrom),
		})
	}
	if r.waits {
		c.Activations = append(c.Activations, &models.Activation{
			AccountID: account, Status: models.ActivationPending, Reason: models.NotRegistered,
		})
	}
	for i, invitee := range r.invitees {
		c.Referrals = append(c.Referrals, models.Referral{InviterID: account, InviteeID: invitee, ActivatedAt: r.activated[i].UTC(), RevokedFrom: nullDay(r.revoked[i])})
	}
	for i := range r.sms {
		c.Packages = append(c.Packages, r.smsPackage(account, i))
	}
	return c
}

func (r *portalRow) smsPackage(account int64, i int) models.AuditPackage {
	p := models.AuditPackage{SMSPackage: models.SMSPackage{
		AccountID: account, SMS: r.sms[i], Ordinal: r.ordinals[i], GrantedOn: models.DateOf(r.granted[i], time.UTC), Period: r.periods[i],
	}}
	if r.answers[i] != "" {
		p.Answers = []models.Result{{AccountID: account, Status: models.ResultStatus(r.answers[i]), At: zeroTime(r.answered[i])}}
	}
	if r.resent[i] != nil {
		p.Resends = []models.Resend{{RejectedAt: zeroTime(r.resent[i])}}
	}
	if r.written[i] {
		p.WriteOff = &models.WriteOff{}
	}
	return p
}

// JoinWithoutCode notes that an account takes part without a code. It may be
// repeated; the first time is kept.
func (s *Store) JoinWithoutCode(ctx context.Context, account int64) error {
	return s.exec(ctx, "noting that an account takes part", "INSERT INTO memberships (account_id, entered_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", account, s.now())
}

const referredQuery = `SELECT r.invitee_id, r.activated_at, r.revoked_from, coalesce(a.name, ''), a.erased_at IS NOT NULL FROM referrals r LEFT JOIN accounts a ON a.account_id = r.invitee_id
	WHERE r.account_id = $1 AND (r.activated_at, r.invitee_id) < (coalesce($2::timestamptz, 'infinity'), $3::bigint)
	ORDER BY r.activated_at DESC, r.invitee_id DESC LIMIT $4`

// ReferredAccounts is up to limit invitees of an inviter behind a cursor, the newest
// first.
func (s *Store) ReferredAccounts(ctx context.Context, inviter int64, after models.ReferralCursor, limit int) ([]models.ReferredAccount, error) {
	return list(ctx, s, "reading an inviter's invitees", func(row pgx.CollectableRow) (r models.ReferredAccount, err error) {
		var revoked *time.Time
		err = row.Scan(&r.InviteeID, &r.ActivatedAt, &revoked, &r.Name, &r.Erased)
		r.ActivatedAt, r.RevokedFrom = r.ActivatedAt.UTC(), nullDay(revoked)
		return r, err
	}, referredQuery, inviter, nullTime(after.ActivatedAt), after.InviteeID, limit)
}

// ActivationOutcome is a request to activate a code with its decision. found is false when
// there was none.
func (s *Store) ActivationOutcome(ctx context.Context, request models.ActivationKey) (a models.Activation, found bool, err error) {
	at := time.UnixMicro(request.RequestedAt).UTC()
	a = models.Activation{AccountID: request.AccountID, Code: request.Code, RequestedAt: at}
	found, err = s.scan(ctx, "reading a decision", []any{&a.Status, &a.Reason},
		"SELECT status, reason FROM activations WHERE account_id = $1 AND code = $2 AND requested_at = $3", request.AccountID, request.Code, at)
	return a, found, err
}
