package portal

import (
	"context"
	"net/url"

	"referral/billing"
)

func (r *reader) Overview(ctx context.Context, account int64) (Overview, error) {
	history, takesPart, known, err := r.store.PortalAccount(ctx, account)
	if err != nil {
		return Overview{}, err
	}
	view := r.programme.PortalView(&history, r.today())
	overview := Overview{PortalView: view, TakesPart: takesPart || view.Joined != nil || view.Friends > 0}
	if view.Code != "" {
		overview.Link = r.publicURL + "/referral?code=" + url.QueryEscape(view.Code)
	}
	if !known {
		return overview, ErrUnknownAccount
	}
	return overview, nil
}

func (s *service) JoinWithoutCode(ctx context.Context, account int64) error {
	return s.options.Store.JoinWithoutCode(ctx, account)
}

func (r *reader) ExplainInvoice(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error) {
	history, found, err := r.store.PortalInvoice(ctx, account, invoice)
	if err != nil || !found {
		return e, false, err
	}
	e, found = r.programme.ExplainInvoice(&history, invoice)
	e.Account = billing.Explanation{}
	return e, found, nil
}
