package portal

import (
	"context"
	"time"

	"referral/billing"
	"referral/contact"
	"referral/models"
)

// Reader is what a client can see. The account is that of the authenticated principal,
// or the one that a member of staff looks at.
type Reader interface {
	// Overview returns the state of the account today. ErrUnknownAccount: no fact about
	// the account has arrived; the overview is then that of a new client, with TakesPart.
	Overview(ctx context.Context, account int64) (Overview, error)
	// Friends lists the accounts that the account has referred, the newest first.
	Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error)
	// Changes lists every change of the client's percentage up to today, the newest first.
	Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error)
	// Months lists the sums of each month with an invoice, the newest first. limit counts
	// months: one with two currencies counts once.
	Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error)
	// ExplainInvoice explains the discount on an invoice of the account. Account is
	// empty: it names the inviter, which the client may not see. found is false for every
	// other invoice, whether it exists or not.
	ExplainInvoice(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error)
	// Invitations lists the invitations that the client has sent, the newest first.
	Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error)
}

// ReadStore is what a Reader reads.
type ReadStore interface {
	PortalAccount(ctx context.Context, account int64) (h models.AccountHistory, takesPart, known bool, err error)
	ReferredAccounts(ctx context.Context, inviter int64, after models.ReferralCursor, limit int) ([]models.ReferredAccount, error)
	PortalInvoices(ctx context.Context, account int64, before models.Period, months int) (models.AccountHistory, error)
	PortalInvoice(ctx context.Context, account int64, invoice string) (h models.AccountHistory, found bool, err error)
	Invitations(ctx context.Context, account int64, after models.UUID, limit int) ([]models.Invitation, error)
}

// NewStaffReader returns what clients see for a member of staff who looks at it: the
// same, with the recipients of invitations masked.
func NewStaffReader(s ReadStore, p *billing.Programme, publicURL string, now func() time.Time) Reader {
	return staffReader{&reader{store: s, programme: p, publicURL: publicURL, now: now}}
}

type staffReader struct{ *reader }

func (s staffReader) Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error) {
	page, err := s.reader.Invitations(ctx, account, after, limit)
	for i := range page.Items {
		page.Items[i].Recipient = contact.Mask(page.Items[i].Recipient)
	}
	return page, err
}

// reader reads what clients see.
type reader struct {
	store     ReadStore
	programme *billing.Programme
	publicURL string
	now       func() time.Time
}

// today is the programme's day.
func (r *reader) today() models.Date { return r.programme.Local(r.now()) }
