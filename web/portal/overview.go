package portal

import (
	"context"
	"time"

	"referral/billing"
	"referral/models"
)

// Overview is what the client has today.
func (s *service) Overview(ctx context.Context, account int64) (Overview, error) {
	facts, entered, known, err := s.options.Store.PortalAccount(ctx, account)
	if err != nil {
		return Overview{}, err
	}
	view := s.options.Programme.PortalView(&facts, s.today())
	overview := Overview{PortalView: view, Entered: entered || view.Joined != nil || view.Friends > 0, Link: s.link(view.Code)}
	if !known {
		return overview, ErrUnknownAccount
	}
	return overview, nil
}

// EnterWithoutCode notes that the client takes part without a code.
func (s *service) EnterWithoutCode(ctx context.Context, account int64) error {
	return s.options.Store.JoinWithoutCode(ctx, account)
}

const (
	defaultPageSize = 20
	maxPageSize     = 100
)

func pageSize(limit int) int {
	if limit < 1 {
		return defaultPageSize
	}
	return min(limit, maxPageSize)
}

// Friends lists the clients that the account has invited, the newest first.
func (s *service) Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error) {
	at, err := readCursor(friendsCursor, account, after, 2)
	if err != nil {
		return Page[Friend]{}, err
	}
	var mark models.ReferralCursor
	if at != nil {
		mark = models.ReferralCursor{ActivatedAt: time.UnixMicro(at[0]), InviteeID: at[1]}
	}
	size := pageSize(limit)
	list, err := s.options.Store.ReferredAccounts(ctx, account, mark, size+1)
	if err != nil {
		return Page[Friend]{}, err
	}
	page := Page[Friend]{Items: make([]Friend, 0, size)}
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		page.Next = newCursor(friendsCursor, account, last.ActivatedAt.UnixMicro(), last.InviteeID)
	}
	for _, f := range list {
		page.Items = append(page.Items, Friend{
			AccountID: f.InviteeID, Name: s.options.Programme.FriendName(f.Name, s.today()), ActivatedOn: s.options.Programme.Local(f.ActivatedAt),
		})
	}
	return page, nil
}

// Changes lists every change of the client's percentage up to today, the newest
// first. A cursor counts from the oldest change, because new ones are added at the
// other end.
func (s *service) Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error) {
	at, err := readCursor(changesCursor, account, after, 1)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	facts, _, _, err := s.options.Store.PortalAccount(ctx, account)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	list := s.options.Programme.Changes(&facts, s.today())
	if at != nil {
		if at[0] < 0 {
			return Page[billing.DiscountChange]{}, ErrBadCursor
		}
		list = list[max(0, int64(len(list))-at[0]):]
	}
	page := Page[billing.DiscountChange]{Items: list}
	if size := pageSize(limit); len(list) > size {
		page.Items, page.Next = list[:size], newCursor(changesCursor, account, int64(len(list)-size))
	}
	return page, nil
}

// afterAllMonths is a month after every other.
const afterAllMonths = models.Period(999912)

// Months lists the sums of each month with an invoice, the newest first. limit
// counts months: one with two currencies counts once.
func (s *service) Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error) {
	at, err := readCursor(monthsCursor, account, after, 1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	before := afterAllMonths
	if at != nil {
		before = models.Period(at[0])
	}
	size := pageSize(limit)
	facts, err := s.options.Store.PortalInvoices(ctx, account, before, size+1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	return monthsPage(s.options.Programme.Months(&facts), account, size), nil
}

func monthsPage(list []billing.MonthMoney, account int64, size int) Page[billing.MonthMoney] {
	months := 0
	for i := range list {
		if i > 0 && list[i].Period == list[i-1].Period {
			continue
		}
		if months++; months > size {
			return Page[billing.MonthMoney]{Items: list[:i], Next: newCursor(monthsCursor, account, int64(list[i-1].Period))}
		}
	}
	return Page[billing.MonthMoney]{Items: list}
}

// Why explains the discount on an invoice of the account. Who invited the client is
// left out, because the client may not see it.
func (s *service) Why(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error) {
	facts, found, err := s.options.Store.PortalInvoice(ctx, account, invoice)
	if err != nil || !found {
		return e, false, err
	}
	e, found = s.options.Programme.ExplainInvoice(&facts, invoice)
	e.Account = billing.Explanation{}
	return e, found, nil
}
