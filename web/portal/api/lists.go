package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

func reflectType[T any]() reflect.Type { return reflect.TypeFor[T]() }

// Paged is which part of a list is asked for.
type Paged struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Entries of a page at most"`
}

// Friends is a page of the clients that the account has brought.
type Friends struct {
	Friends []Friend `json:"friends" nullable:"false" doc:"The newest first"`
	Next    string   `json:"next,omitempty" doc:"The cursor of the next page; left out on the last"`
}

// Friend is a client that was brought.
type Friend struct {
	AccountID   int64  `json:"account_id"`
	Name        string `json:"name" doc:"Masked, unless the terms show it"`
	ActivatedOn string `json:"activated_on" format:"date"`
}

type friendsOut struct{ Body Friends }

func (a *API) friends() {
	register(a, list("friends", "Clients that the account has brought"), []kind{badCursor},
		func(ctx context.Context, account int64, in *Paged) (*friendsOut, error) {
			page, err := a.o.Service.Friends(ctx, account, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			return &friendsOut{Friends{each(page.Items, func(f portal.Friend) Friend {
				return Friend{f.AccountID, f.Name, f.ActivatedOn.String()}
			}), page.Next}}, nil
		})
}

// Changes is a page of the history of the account's percentage.
type Changes struct {
	Changes []Change `json:"changes" nullable:"false" doc:"The newest first"`
	Next    string   `json:"next,omitempty" doc:"The cursor of the next page; left out on the last"`
}

// Change is what one event did to the account's percentage.
type Change struct {
	On      string `json:"on" format:"date"`
	Percent int    `json:"percent" doc:"From that day on, both kinds together"`
	Invitee int    `json:"invitee_percent"`
	Inviter int    `json:"inviter_percent"`
	Step    int    `json:"step" doc:"Of the table from that day on; 0 for none"`
	Reason  string `json:"reason" enum:"friend,ladder_end,invitee_start,invitee_end,termination"`
	Friend  int64  `json:"friend_id,omitempty" doc:"Who came, when it was a friend"`
	EndsOn  string `json:"ends_on,omitempty" format:"date" doc:"First day without the discount for friends, as known after this change; left out when there is none"`
}

type changesOut struct{ Body Changes }

func (a *API) changes() {
	register(a, list("changes", "Every change of the account's percentage"), []kind{badCursor},
		func(ctx context.Context, account int64, in *Paged) (*changesOut, error) {
			page, err := a.o.Service.Changes(ctx, account, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			return &changesOut{Changes{each(page.Items, func(c billing.DiscountChange) Change {
				return changeOf(&c)
			}), page.Next}}, nil
		})
}

func changeOf(c *billing.DiscountChange) Change {
	out := Change{On: c.On.String(), Percent: c.Percent, Invitee: c.Invitee, Inviter: c.Inviter, Step: c.Step, Reason: string(c.Reason), Friend: c.Friend}
	if c.End != 0 {
		out.EndsOn = c.End.String()
	}
	return out
}

// Months is a page of what each month brought.
type Months struct {
	Months []Month `json:"months" nullable:"false" doc:"The newest first; one for each currency of a month"`
	Next   string  `json:"next,omitempty" doc:"The cursor of the next page; left out on the last"`
}

// Month is a month's invoices and what the programme did to them.
type Month struct {
	Period   string    `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$"`
	Currency string    `json:"currency"`
	Highest  int       `json:"highest_percent" doc:"Of any day of the month"`
	Charged  int64     `json:"charged_minor" doc:"Before any discount"`
	Discount int64     `json:"discount_minor" doc:"Posted and not refused by billing, as added to the invoices: negative is a discount"`
	Waiting  int64     `json:"waiting_minor" doc:"Owed and not posted yet, signed likewise"`
	Review   int64     `json:"under_review_minor" doc:"Posted and rejected by billing, perhaps sent again and not answered since, signed likewise"`
	Settled  int64     `json:"written_off_minor" doc:"Posted, rejected by billing and settled outside of the invoices, signed likewise"`
	Invoices []Invoice `json:"invoices" nullable:"false"`
}

// Invoice is an invoice and what the programme did to it; amounts are signed as
// added to the invoice.
type Invoice struct {
	InvoiceID  string `json:"invoice_id"`
	Revision   int    `json:"revision"`
	Charged    int64  `json:"charged_minor" doc:"Before any discount"`
	Wanted     int64  `json:"wanted_minor" doc:"Owed"`
	Posted     int64  `json:"posted_minor" doc:"Of it, what under_review_minor and written_off_minor say is not in the invoice"`
	Review     int64  `json:"under_review_minor" doc:"Rejected by billing, perhaps sent again and not answered since"`
	Settled    int64  `json:"written_off_minor" doc:"Rejected by billing and settled outside of the invoice"`
	Difference int64  `json:"difference_minor" doc:"Owed and not posted yet"`
	Held       int    `json:"held_lines" doc:"Lines that wait for the terms to name their service"`
}

type monthsOut struct{ Body Months }

func (a *API) months() {
	register(a, list("months", "What each month brought"), []kind{badCursor},
		func(ctx context.Context, account int64, in *Paged) (*monthsOut, error) {
			page, err := a.o.Service.Months(ctx, account, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			return &monthsOut{Months{each(page.Items, newMonth), page.Next}}, nil
		})
}

func newMonth(m billing.MonthMoney) Month {
	return Month{
		m.Period.String(), m.Currency, m.Highest, int64(m.Charged), int64(m.Discount), int64(m.Waiting),
		int64(m.Review), int64(m.Settled), each(m.Invoices, newInvoice),
	}
}

func newInvoice(s billing.InvoiceSums) Invoice {
	return Invoice{s.InvoiceID, s.Revision, int64(s.Charged), int64(s.Wanted), int64(s.Posted),
		int64(s.Rejected.Add(s.Resent)), int64(s.WrittenOff), int64(s.Difference), s.Held}
}

// Invitations is a page of the invitations that the account has sent.
type Invitations struct {
	Invitations []Invitation `json:"invitations" nullable:"false" doc:"The newest first"`
	Next        string       `json:"next,omitempty" doc:"The cursor of the next page; left out on the last"`
}

type invitationsOut struct{ Body Invitations }

func (a *API) listInvitations() {
	register(a, list("invitations", "Invitations that the account has sent"), []kind{badCursor},
		func(ctx context.Context, account int64, in *Paged) (*invitationsOut, error) {
			page, err := a.o.Service.Invitations(ctx, account, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			return &invitationsOut{Invitations{each(page.Items, func(i models.Invitation) Invitation { return newInvitation(&i) }), page.Next}}, nil
		})
}

func list(name, summary string) huma.Operation {
	return huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: Prefix + "/" + name, Summary: summary, Tags: []string{"Lists"},
	}
}

// each is a list as JSON has it: of none it is empty, and not null.
func each[A, B any](list []A, fn func(A) B) []B {
	out := make([]B, len(list))
	for i := range list {
		out[i] = fn(list[i])
	}
	return out
}
