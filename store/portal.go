package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
	"referral/store/pgcopy"
)

// portalQuery is all that the main page of one account is made of, in one
// statement, but for billing's answers to its packages, which are few: one round trip, and
// one view of the database. Of the account's requests the accepted one matters, and
// whether one waits. Every table is asked for $1 itself: a distributed database sends the
// whole statement to one node.
const portalQuery = `SELECT a.account_id IS NOT NULL, m.account_id IS NOT NULL,
	coalesce(a.code, ''), coalesce(a.name, ''), coalesce(a.promo_until, ''), a.registered_at, a.promo_ended_at, a.terminated_at,
	EXISTS (SELECT 1 FROM activations v WHERE v.account_id = $1 AND v.status = 'pending'),
	v.requested_at, v.revoked_from, r.invitees, r.activated, r.revoked, p.ids, p.sms, p.ordinals, p.granted, p.periods, p.resent, p.written
FROM (SELECT 1) one
LEFT JOIN accounts a ON a.account_id = $1
LEFT JOIN memberships m ON m.account_id = $1
LEFT JOIN activations v ON v.account_id = $1 AND v.status = 'accepted'
LEFT JOIN LATERAL (SELECT array_agg(f.invitee_id) AS invitees, array_agg(f.activated_at) AS activated, array_agg(f.revoked_from) AS revoked
	FROM referrals f WHERE f.account_id = $1) r ON true
LEFT JOIN LATERAL (SELECT array_agg(s.package_id) AS ids, array_agg(s.sms) AS sms, array_agg(s.ordinal) AS ordinals, array_agg(s.granted_on) AS granted, array_agg(s.period) AS periods,
	array_agg((SELECT d.rejected_at FROM document_resends d WHERE d.account_id = $1 AND d.document_id = s.package_id
		ORDER BY d.resend_id DESC LIMIT 1)) AS resent,
	array_agg(EXISTS (SELECT 1 FROM document_write_offs w WHERE w.account_id = $1 AND w.document_id = s.package_id)) AS written
	FROM sms_packages s WHERE s.account_id = $1) p ON true`

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
	ids                          [][16]byte // of packages
	sms, ordinals                []int
	granted                      []time.Time
	periods                      []models.Period
	resent                       []*time.Time // how billing dated the answer that was replied to
	written                      []bool
}

func (r *portalRow) fields() []any {
	return []any{
		&r.known, &r.entered, &r.code, &r.name, &r.promoUntil, &r.registered, &r.promoEnded, &r.left, &r.waits, &r.accepted, &r.revokedFrom,
		&r.invitees, &r.activated, &r.revoked, &r.ids, &r.sms, &r.ordinals, &r.granted, &r.periods, &r.resent, &r.written,
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
	var answers map[models.UUID]models.Result
	if len(row.ids) > 0 {
		if answers, err = s.lastAnswers(ctx, row.ids); err != nil {
			return c, false, false, err
		}
	}
	return row.history(account, answers), row.entered, row.known, nil
}

// lastAnswers is billing's last answer to each of the documents that it has answered.
func (s *Store) lastAnswers(ctx context.Context, documents [][16]byte) (map[models.UUID]models.Result, error) {
	last := map[models.UUID]models.Result{}
	err := s.statement(ctx, "reading billing's answers", func(conn *pgx.Conn) error {
		return pgcopy.Each(ctx, conn, "billing's answers", func(v [][]byte) {
			r := readResult(v)
			last[r.AdjustmentID] = r
		}, "SELECT "+resultColumns+" FROM results r WHERE r.adjustment_id = ANY($1) ORDER BY r.at, r.status", documents)
	})
	return last, err
}

func (r *portalRow) history(account int64, answers map[models.UUID]models.Result) models.AccountHistory {
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
		c.Packages = append(c.Packages, r.smsPackage(account, i, answers))
	}
	return c
}

func (r *portalRow) smsPackage(account int64, i int, answers map[models.UUID]models.Result) models.AuditPackage {
	p := models.AuditPackage{SMSPackage: models.SMSPackage{
		AccountID: account, SMS: r.sms[i], Ordinal: r.ordinals[i], GrantedOn: models.DateOf(r.granted[i], time.UTC), Period: r.periods[i],
	}}
	if answer, found := answers[r.ids[i]]; found {
		p.Answers = []models.Result{{AccountID: account, Status: answer.Status, At: answer.At}}
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

const referredQuery = `SELECT invitee_id, activated_at, revoked_from FROM referrals
	WHERE account_id = $1 AND (activated_at, invitee_id) < (coalesce($2::timestamptz, 'infinity'), $3::bigint)
	ORDER BY activated_at DESC, invitee_id DESC LIMIT $4`

// ReferredAccounts is up to limit invitees of an inviter behind a cursor, the newest
// first.
func (s *Store) ReferredAccounts(ctx context.Context, inviter int64, after models.ReferralCursor, limit int) ([]models.ReferredAccount, error) {
	referred, err := list(ctx, s, "reading an inviter's invitees", func(row pgx.CollectableRow) (r models.ReferredAccount, err error) {
		var revoked *time.Time
		err = row.Scan(&r.InviteeID, &r.ActivatedAt, &revoked)
		r.ActivatedAt, r.RevokedFrom = r.ActivatedAt.UTC(), nullDay(revoked)
		return r, err
	}, referredQuery, inviter, nullTime(after.ActivatedAt), after.InviteeID, limit)
	if err != nil || len(referred) == 0 {
		return nil, err
	}
	// The invitees are on other nodes of a distributed database.
	ids, index := make([]int64, len(referred)), map[int64]int{}
	for i := range referred {
		ids[i], index[referred[i].InviteeID] = referred[i].InviteeID, i
	}
	err = s.statement(ctx, "reading the names of invitees", func(conn *pgx.Conn) error {
		return pgcopy.Each(ctx, conn, "the names of invitees", func(v [][]byte) {
			r := &referred[index[pgcopy.Int8(v[0])]]
			r.Name, r.Erased = string(v[1]), pgcopy.Bool(v[2])
		}, "SELECT account_id, name, erased_at IS NOT NULL FROM accounts WHERE account_id = ANY($1)", ids)
	})
	return referred, err
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
