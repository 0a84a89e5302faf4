package cabinet

import (
	"context"
	"time"

	"referral/billing"
	"referral/models"
)

// Standing is what the client has today.
func (o *Office) Standing(ctx context.Context, account int64) (Standing, error) {
	facts, entered, known, err := o.o.Store.Cabinet(ctx, account)
	if err != nil {
		return Standing{}, err
	}
	view := o.o.Programme.Cabinet(&facts, o.today())
	s := Standing{Cabinet: view, Entered: entered || view.Joined != nil || view.Friends > 0, Link: o.link(view.Code)}
	if !known {
		return s, ErrUnknownAccount
	}
	return s, nil
}

// EnterWithoutCode notes that the client takes part without a code.
func (o *Office) EnterWithoutCode(ctx context.Context, account int64) error {
	return o.o.Store.EnterCabinet(ctx, account)
}

// longestPage bounds what one page may ask for.
const (
	usualPage   = 20
	longestPage = 100
)

func pageSize(limit int) int {
	if limit < 1 {
		return usualPage
	}
	return min(limit, longestPage)
}

// Friends is those that the client has brought, the newest first.
func (o *Office) Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error) {
	at, err := readMark(friendsMark, account, after, 2)
	if err != nil {
		return Page[Friend]{}, err
	}
	var mark models.FriendMark
	if at != nil {
		mark = models.FriendMark{ActivatedAt: time.UnixMicro(at[0]), InviteeID: at[1]}
	}
	size := pageSize(limit)
	list, err := o.o.Store.BroughtFriends(ctx, account, mark, size+1)
	if err != nil {
		return Page[Friend]{}, err
	}
	page := Page[Friend]{Items: make([]Friend, 0, size)}
	if len(list) > size {
		list = list[:size]
		last := list[size-1]
		page.Next = newMark(friendsMark, account, last.ActivatedAt.UnixMicro(), last.InviteeID)
	}
	for _, f := range list {
		page.Items = append(page.Items, Friend{
			AccountID: f.InviteeID, Name: o.o.Programme.FriendName(f.Name, o.today()), ActivatedOn: o.o.Programme.Local(f.ActivatedAt),
		})
	}
	return page, nil
}

// Changes is every change of the client's percentage up to today, the newest
// first. A page ends so many changes before the oldest: those come no more, while
// new ones come at the other end.
func (o *Office) Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error) {
	at, err := readMark(changesMark, account, after, 1)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	facts, _, _, err := o.o.Store.Cabinet(ctx, account)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	list := o.o.Programme.Changes(&facts, o.today())
	if at != nil {
		if at[0] < 0 {
			return Page[billing.DiscountChange]{}, ErrBadCursor
		}
		list = list[max(0, int64(len(list))-at[0]):]
	}
	page := Page[billing.DiscountChange]{Items: list}
	if size := pageSize(limit); len(list) > size {
		page.Items, page.Next = list[:size], newMark(changesMark, account, int64(len(list)-size))
	}
	return page, nil
}

// endOfTime is a month after every other.
const endOfTime = models.Period(999912)

// Months is what each month with an invoice brought, the newest first. limit
// counts months: one with two currencies counts once.
func (o *Office) Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error) {
	at, err := readMark(monthsMark, account, after, 1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	before := endOfTime
	if at != nil {
		before = models.Period(at[0])
	}
	size := pageSize(limit)
	facts, err := o.o.Store.Bills(ctx, account, before, size+1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	return monthsPage(o.o.Programme.Months(&facts), account, size), nil
}

func monthsPage(list []billing.MonthMoney, account int64, size int) Page[billing.MonthMoney] {
	months := 0
	for i := range list {
		if i > 0 && list[i].Period == list[i-1].Period {
			continue
		}
		if months++; months > size {
			return Page[billing.MonthMoney]{Items: list[:i], Next: newMark(monthsMark, account, int64(list[i-1].Period))}
		}
	}
	return Page[billing.MonthMoney]{Items: list}
}

// Why explains the discount on an invoice of the client's own. Who invited the
// client is not the client's business, and the rest of the account is told
// elsewhere.
func (o *Office) Why(ctx context.Context, account int64, invoice string) (e billing.InvoiceExplanation, found bool, err error) {
	facts, found, err := o.o.Store.Bill(ctx, account, invoice)
	if err != nil || !found {
		return e, false, err
	}
	e, found = o.o.Programme.ExplainInvoice(&facts, invoice)
	e.Account = billing.Explanation{}
	return e, found, nil
}
