package portal

import (
	"context"
	"encoding/binary"
	"time"

	"referral/billing"
	"referral/models"
)

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

// pageOf returns the first size items of a list, with the cursor of the last one if
// there are more.
func pageOf[T any](list []T, size int, cursor func(last *T) string) Page[T] {
	if len(list) <= size {
		return Page[T]{Items: list}
	}
	return Page[T]{Items: list[:size], Next: cursor(&list[size-1])}
}

func (r *reader) Friends(ctx context.Context, account int64, after string, limit int) (Page[Friend], error) {
	at, err := readCursor(friendsCursor, account, after, 2)
	if err != nil {
		return Page[Friend]{}, err
	}
	var start models.ReferralCursor
	if at != nil {
		start = models.ReferralCursor{ActivatedAt: time.UnixMicro(at[0]), InviteeID: at[1]}
	}
	size := pageSize(limit)
	list, err := r.store.ReferredAccounts(ctx, account, start, size+1)
	page := pageOf(list, size, func(last *models.ReferredAccount) string {
		return newCursor(friendsCursor, account, last.ActivatedAt.UnixMicro(), last.InviteeID)
	})
	friends := make([]Friend, len(page.Items))
	for i, f := range page.Items {
		counts := models.Referral{RevokedFrom: f.RevokedFrom}.CountsOn(r.today())
		friends[i] = Friend{
			AccountID: f.InviteeID, Name: r.friendName(&f), ActivatedOn: r.programme.Local(f.ActivatedAt),
			Revoked: !counts,
		}
	}
	return Page[Friend]{Items: friends, Next: page.Next}, err
}

// erasedName stands for the name of a client whose personal data were erased.
const erasedName = "клиент удален"

func (r *reader) friendName(f *models.ReferredAccount) string {
	if f.Erased {
		return erasedName
	}
	return r.programme.FriendName(f.Name, r.today())
}

func (r *reader) Changes(ctx context.Context, account int64, after string, limit int) (Page[billing.DiscountChange], error) {
	at, err := readCursor(changesCursor, account, after, 1)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	history, _, _, err := r.store.PortalAccount(ctx, account)
	if err != nil {
		return Page[billing.DiscountChange]{}, err
	}
	list := r.programme.Changes(&history, r.today())
	if at != nil {
		if at[0] < 0 {
			return Page[billing.DiscountChange]{}, ErrBadCursor
		}
		list = list[max(0, int64(len(list))-at[0]):]
	}
	size := pageSize(limit)
	return pageOf(list, size, func(*billing.DiscountChange) string {
		return newCursor(changesCursor, account, int64(len(list)-size))
	}), nil
}

// afterAllMonths is a month after every other.
const afterAllMonths = models.Period(999912)

func (r *reader) Months(ctx context.Context, account int64, after string, limit int) (Page[billing.MonthMoney], error) {
	at, err := readCursor(monthsCursor, account, after, 1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	before := afterAllMonths
	if at != nil {
		before = models.Period(at[0])
	}
	size := pageSize(limit)
	history, err := r.store.PortalInvoices(ctx, account, before, size+1)
	if err != nil {
		return Page[billing.MonthMoney]{}, err
	}
	list := r.programme.Months(&history)
	return pageOf(list, entriesOf(list, size), func(last *billing.MonthMoney) string {
		return newCursor(monthsCursor, account, int64(last.Period))
	}), nil
}

// entriesOf returns how many entries the first months of a list have.
func entriesOf(list []billing.MonthMoney, months int) int {
	for i := range list {
		if i == 0 || list[i].Period != list[i-1].Period {
			if months--; months < 0 {
				return i
			}
		}
	}
	return len(list)
}

func (r *reader) Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error) {
	at, err := readCursor(invitationsCursor, account, after, 2)
	if err != nil {
		return Page[models.Invitation]{}, err
	}
	var start models.UUID
	if at != nil {
		binary.BigEndian.PutUint64(start[:8], uint64(at[0]))
		binary.BigEndian.PutUint64(start[8:], uint64(at[1]))
	}
	size := pageSize(limit)
	list, err := r.store.Invitations(ctx, account, start, size+1)
	return pageOf(list, size, func(last *models.Invitation) string {
		return newCursor(invitationsCursor, account, int64(binary.BigEndian.Uint64(last.ID[:8])), int64(binary.BigEndian.Uint64(last.ID[8:])))
	}), err
}
