package portal

import (
	"context"
	"time"

	"referral/models"
)

// Store is what the service reads and writes.
type Store interface {
	ReadStore

	JoinWithoutCode(ctx context.Context, account int64) error

	// Facts, stored as the consumer stores them.
	Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error)
	ActivationOutcome(ctx context.Context, request models.ActivationKey) (a models.Activation, found bool, err error)

	// Counters of wrong codes.
	ReserveAttempt(ctx context.Context, counters []models.AttemptLimit) (over time.Time, err error)
	ReturnAttempt(ctx context.Context, counters []models.AttemptLimit) error

	// Answers by idempotency key.
	ClaimRequest(ctx context.Context, r models.ClientRequest, retention, timeout time.Duration) (models.RequestClaim, error)
	AnswerRequest(ctx context.Context, c models.RequestClaim, answer []byte) error
	ReleaseRequest(ctx context.Context, c models.RequestClaim) error
	AbandonRequest(ctx context.Context, c models.RequestClaim) error

	Invite(ctx context.Context, q models.InvitationRequest) (models.Invitation, error)
	OptOut(ctx context.Context, token models.Digest) (found bool, err error)
}
