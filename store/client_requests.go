package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"referral/models"
)

// claimRequest claims a request that is new, or forgotten, or whose claim has timed out.
const claimRequest = withoutFlush + `INSERT INTO client_requests AS r (account_id, key, digest, taken_at, claimed_at)
	SELECT $1, $2, $3, $4, $4 FROM without_flush
	ON CONFLICT (account_id, key) DO UPDATE SET digest = EXCLUDED.digest, claimed_at = EXCLUDED.claimed_at, answer = NULL,
		taken_at = CASE WHEN r.taken_at < $5 THEN EXCLUDED.taken_at ELSE r.taken_at END
	WHERE r.taken_at < $5 OR r.answer IS NULL AND r.digest = EXCLUDED.digest AND r.claimed_at < $6
	RETURNING taken_at, claimed_at`

// ClaimRequest claims a request for this process, or returns its status. It is forgotten
// after keep; a process that claims it and gives no answer within patience is taken for
// dead.
func (s *Store) ClaimRequest(ctx context.Context, r models.ClientRequest, keep, patience time.Duration) (models.RequestClaim, error) {
	claim := models.RequestClaim{ClientRequest: r}
	err := s.statement(ctx, "claiming a client's request", func(conn *pgx.Conn) error {
		for {
			now := s.now()
			err := conn.QueryRow(ctx, claimRequest, r.AccountID, [16]byte(r.Key), [16]byte(r.Digest), now, now.Add(-keep), now.Add(-patience)).
				Scan(&claim.TakenAt, &claim.ClaimedAt)
			claim.Status = models.RequestOurs
			if errors.Is(err, pgx.ErrNoRows) {
				err = claimStatus(ctx, conn, &claim)
			}
			if !errors.Is(err, pgx.ErrNoRows) { // or it was given up meanwhile
				return err
			}
		}
	})
	return claim, err
}

// claimStatus is the status of a request that another process has claimed.
func claimStatus(ctx context.Context, conn *pgx.Conn, c *models.RequestClaim) error {
	var digest [16]byte
	err := conn.QueryRow(ctx, "SELECT digest, taken_at, answer FROM client_requests WHERE account_id = $1 AND key = $2",
		c.AccountID, [16]byte(c.Key)).Scan(&digest, &c.TakenAt, &c.Answer)
	switch {
	case err != nil:
	case models.UUID(digest) != c.Digest:
		c.Status, c.Answer = models.RequestOther, nil
	case c.Answer == nil:
		c.Status = models.RequestUnderWay
	default:
		c.Status = models.RequestAnswered
	}
	return err
}

// AnswerRequest saves the answer to a claimed request, unless another process has
// claimed it since then.
func (s *Store) AnswerRequest(ctx context.Context, c models.RequestClaim, answer []byte) error {
	return s.exec(ctx, "keeping the answer to a client's request",
		withoutFlush+"UPDATE client_requests SET answer = $4 FROM without_flush WHERE account_id = $1 AND key = $2 AND claimed_at = $3 AND answer IS NULL",
		c.AccountID, [16]byte(c.Key), c.ClaimedAt, answer)
}

// ReleaseRequest gives up a claim when it is unknown how far the request got: the next
// repeat claims it as the same request.
func (s *Store) ReleaseRequest(ctx context.Context, c models.RequestClaim) error {
	return s.exec(ctx, "letting go of a client's request",
		withoutFlush+"UPDATE client_requests SET claimed_at = '-infinity' FROM without_flush WHERE account_id = $1 AND key = $2 AND claimed_at = $3 AND answer IS NULL",
		c.AccountID, [16]byte(c.Key), c.ClaimedAt)
}

// AbandonRequest deletes a claimed request that had no effect: it may come again as if
// for the first time.
func (s *Store) AbandonRequest(ctx context.Context, c models.RequestClaim) error {
	return s.exec(ctx, "giving up a client's request",
		withoutFlush+"DELETE FROM client_requests USING without_flush WHERE account_id = $1 AND key = $2 AND claimed_at = $3 AND answer IS NULL",
		c.AccountID, [16]byte(c.Key), c.ClaimedAt)
}
