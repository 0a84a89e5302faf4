package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
	"referral/models"
	"referral/web/jsonapi"
	"referral/web/portal"
)

// Paging selects a page of a list.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the previous page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Entries per page at most"`
}

// Friends is a page of the accounts that the account has referred.
type Friends struct {
	Friends []Friend `json:"friends" nullable:"false" doc:"The newest first"`
	Next    string   `json:"next,omitempty" doc:"The cursor of the next page; omitted on the last one"`
}

// Friend is an account that was referred.
type Friend struct {
	AccountID   int64       `json:"account_id"`
	Name        string      `json:"name" doc:"Masked unless the terms show it"`
	ActivatedOn models.Date `json:"activated_on" format:"date"`
	Revoked     bool        `json:"revoked,omitempty" doc:"It counts no more, because the referral was revoked"`
}

// Changes is a page of the history of the account's percentage.
type Changes struct {
	Changes []Change `json:"changes" nullable:"false" doc:"The newest first"`
	Next    string   `json:"next,omitempty" doc:"The cursor of the next page; omitted on the last one"`
}

// Change is one change of the account's percentage.
type Change struct {
	On      models.Date          `json:"on" format:"date"`
	Percent int                  `json:"percent" doc:"From that day on; the sum of all, at most 100"`
	Invitee int                  `json:"invitee_percent"`
	Inviter int                  `json:"inviter_percent"`
	Agreed  int                  `json:"agreed_percent,omitempty" doc:"Agreed with the client outside the rules"`
	Step    int                  `json:"step" doc:"Of the discount table from that day on; 0 for none"`
	Reason  billing.ChangeReason `json:"reason" enum:"friend,ladder_end,invitee_start,invitee_end,agreed_start,agreed_end,termination,revoked"`
	Friend  int64                `json:"friend_id,omitempty" doc:"The referred account, for the reason friend"`
	EndsOn  models.Date          `json:"ends_on,omitempty" format:"date" doc:"First day without the inviter's discount, as known after this change; omitted when there is none"`
}

// Months is a page of the sums of each month.
type Months struct {
	Months []Month `json:"months" nullable:"false" doc:"The newest first; one for each currency of a month"`
	Next   string  `json:"next,omitempty" doc:"The cursor of the next page; omitted on the last one"`
}

// Month is the invoices of a month and their discounts.
type Month struct {
	Period   models.Period `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Currency string        `json:"currency"`
	Highest  int           `json:"highest_percent" doc:"Of any day of the month"`
	Charged  models.Money  `json:"charged_minor" doc:"Before any discount"`
	Discount models.Money  `json:"discount_minor" doc:"Posted and not rejected by billing, as added to the invoices: negative is a discount"`
	Waiting  models.Money  `json:"waiting_minor" doc:"Owed and not posted yet, with the same sign"`
	Review   models.Money  `json:"under_review_minor" doc:"Posted and rejected by billing, perhaps published again and not answered since, with the same sign"`
	Settled  models.Money  `json:"written_off_minor" doc:"Posted, rejected by billing and settled outside of the invoices, with the same sign"`
	Invoices []Invoice     `json:"invoices" nullable:"false"`
}

// Invoice is an invoice and its discount; amounts are signed as added to the invoice.
type Invoice struct {
	InvoiceID  string       `json:"invoice_id"`
	Revision   int          `json:"revision"`
	Charged    models.Money `json:"charged_minor" doc:"Before any discount"`
	Wanted     models.Money `json:"wanted_minor" doc:"Owed"`
	Posted     models.Money `json:"posted_minor" doc:"Includes under_review_minor and written_off_minor, which are not in the invoice"`
	Review     models.Money `json:"under_review_minor" doc:"Rejected by billing, perhaps published again and not answered since"`
	Settled    models.Money `json:"written_off_minor" doc:"Rejected by billing and settled outside of the invoice"`
	Difference models.Money `json:"difference_minor" doc:"Owed and not posted yet"`
	Held       int          `json:"held_lines" doc:"Lines whose service the terms do not name yet"`
}

// Invitations is a page of the invitations that the account has sent.
type Invitations struct {
	Invitations []Invitation `json:"invitations" nullable:"false" doc:"The newest first"`
	Next        string       `json:"next,omitempty" doc:"The cursor of the next page; omitted on the last one"`
}

func (a *API) registerLists() {
	s := a.service
	registerList(a, "friends", "Accounts that the account has referred", s.Friends, func(p portal.Page[portal.Friend]) Friends {
		return Friends{Friends: each(p.Items, func(f portal.Friend) Friend { return Friend(f) }), Next: p.Next}
	})
	registerList(a, "changes", "Every change of the account's percentage", s.Changes, func(p portal.Page[billing.DiscountChange]) Changes {
		return Changes{Changes: each(p.Items, newChange), Next: p.Next}
	})
	registerList(a, "months", "The sums of each month", s.Months, func(p portal.Page[billing.MonthMoney]) Months {
		return Months{Months: each(p.Items, newMonth), Next: p.Next}
	})
	registerList(a, "invitations", "Invitations that the account has sent", s.Invitations, func(p portal.Page[models.Invitation]) Invitations {
		return Invitations{Invitations: each(p.Items, newInvitation), Next: p.Next}
	})
}

// registerList registers the operation that returns a page of a list.
func registerList[T, O any](a *API, name, summary string,
	read func(ctx context.Context, account int64, after string, limit int) (portal.Page[T], error), show func(portal.Page[T]) O,
) {
	register(a, huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: "/" + name, Summary: summary, Tags: []string{"Lists"},
	}, []jsonapi.Kind{badCursor}, func(ctx context.Context, account int64, in *Paging) (O, error) {
		page, err := read(ctx, account, in.Cursor, in.Limit)
		return show(page), err
	})
}

func newChange(c billing.DiscountChange) Change {
	return Change{On: c.On, Percent: c.Percent, Invitee: c.Invitee, Inviter: c.Inviter, Agreed: c.Agreed, Step: c.Step, Reason: c.Reason, Friend: c.Friend, EndsOn: c.End}
}

func newMonth(m billing.MonthMoney) Month {
	return Month{
		Period: m.Period, Currency: m.Currency, Highest: m.Highest, Charged: m.Charged, Discount: m.Discount,
		Waiting: m.Waiting, Review: m.Review, Settled: m.Settled, Invoices: each(m.Invoices, newInvoice),
	}
}

func newInvoice(s billing.InvoiceSums) Invoice {
	return Invoice{
		InvoiceID: s.InvoiceID, Revision: s.Revision, Charged: s.Charged, Wanted: s.Wanted, Posted: s.Posted,
		Review: s.Rejected.Add(s.Resent), Settled: s.WrittenOff, Difference: s.Difference, Held: s.Held,
	}
}

// each converts a list. An empty one is [] in JSON and not null.
func each[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, len(list))
	for i := range list {
		out[i] = convert(list[i])
	}
	return out
}
