package portal

import (
	"context"
	"time"

	"referral/models"
)

// Store is what the service reads and writes.
type Store interface {
	PortalAccount(ctx context.Context, account int64) (h models.AccountHistory, takesPart, known bool, err error)
	JoinWithoutCode(ctx context.Context, account int64) error
	ReferredAccounts(ctx context.Context, inviter int64, after models.ReferralCursor, limit int) ([]models.ReferredAccount, error)
	PortalInvoices(ctx context.Context, account int64, before models.Period, months int) (models.AccountHistory, error)
	PortalInvoice(ctx context.Context, account int64, invoice string) (h models.AccountHistory, found bool, err error)

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
	Invitations(ctx context.Context, account int64, after models.UUID, limit int) ([]models.Invitation, error)
	OptOut(ctx context.Context, token models.Digest) (found bool, err error)
}
