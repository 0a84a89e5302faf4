package portal

import (
	"context"
	"net/url"

	"referral/billing"
)

func (s *service) Overview(ctx context.Context, account int64) (Overview, error) {
	history, takesPart, known, err := s.options.Store.PortalAccount(ctx, account)
	if err != nil {
		return Overview{}, err
	}
	view := s.options.Programme.PortalView(&history, s.today())
	overview := Overview{PortalView: view, TakesPart: takesPart || view.Joined != nil || view.Friends > 0}
	if view.Code != "" {
		overview.Link = s.options.PublicURL + "/referral?code=" + url.QueryEscape(view.Code)
	}
	if !known {
		return overview, ErrUnknownAccount
	}
	return overview, nil
}

func (s *service) JoinWithoutCode(ctx context.Context, account int64) error {
	return s.options.Store.JoinWithoutCode(ctx, account)
}

func (s *service) ExplainInvoice(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error) {
	history, found, err := s.options.Store.PortalInvoice(ctx, account, invoice)
	if err != nil || !found {
		return e, false, err
	}
	e, found = s.options.Programme.ExplainInvoice(&history, invoice)
	e.Account = billing.Explanation{}
	return e, found, nil
}
