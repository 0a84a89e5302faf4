package portal

import (
	"context"
	"time"

	"referral/models"
)

// Facts is what the service reads of an account.
type Facts interface {
	PortalAccount(ctx context.Context, account int64) (c models.AccountHistory, entered, known bool, err error)
	JoinWithoutCode(ctx context.Context, account int64) error
	ReferredAccounts(ctx context.Context, inviter int64, after models.ReferralCursor, limit int) ([]models.ReferredAccount, error)
	PortalInvoices(ctx context.Context, account int64, before models.Period, months int) (models.AccountHistory, error)
	PortalInvoice(ctx context.Context, account int64, invoice string) (c models.AccountHistory, found bool, err error)
}

// Intake stores facts, as for the consumer.
type Intake interface {
	Ingest(ctx context.Context, batch []models.DecodedMessage, derive Derive) ([]models.Disposition, error)
	ActivationOutcome(ctx context.Context, request models.ActivationKey) (a models.Activation, found bool, err error)
}

// Derive calculates the changes that facts make to their accounts; the consumer
// passes the same function.
type Derive = func(*models.WorkingSet, []*models.Fact) models.Changes

// AttemptCounter counts wrong codes.
type AttemptCounter interface {
	ReserveAttempt(ctx context.Context, counters []models.AttemptLimit) (over time.Time, err error)
	ReturnAttempt(ctx context.Context, counters []models.AttemptLimit) error
}

// Requests stores answers by idempotency key, so that a repeat gets the same answer.
type Requests interface {
	ClaimRequest(ctx context.Context, r models.ClientRequest, keep, patience time.Duration) (models.RequestClaim, error)
	AnswerRequest(ctx context.Context, c models.RequestClaim, answer []byte) error
	ReleaseRequest(ctx context.Context, c models.RequestClaim) error
	AbandonRequest(ctx context.Context, c models.RequestClaim) error
}

// Invitations stores invitations for the sender.
type Invitations interface {
	Invite(ctx context.Context, q models.InvitationRequest) (models.Invitation, error)
	Invitations(ctx context.Context, account int64, after models.UUID, limit int) ([]models.Invitation, error)
	OptOut(ctx context.Context, token models.Digest) (found bool, err error)
}

// Store is all of them.
type Store interface {
	Facts
	Intake
	AttemptCounter
	Requests
	Invitations
}
