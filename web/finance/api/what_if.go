package api

import (
	"context"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
	"referral/web/finance"
)

// WhatIfs is the last orders to compare terms.
type WhatIfs struct {
	Orders []WhatIfOrder `json:"orders" nullable:"false" doc:"The newest first"`
}

// WhatIfOrder is an order to compare what months cost with what they would have cost under
// other terms.
type WhatIfOrder struct {
	Order
	From models.Period `json:"from" pattern:"^[0-9]{4}-[0-9]{2}$"`
	To   models.Period `json:"to" pattern:"^[0-9]{4}-[0-9]{2}$"`
}

// WhatIf is such an order with its terms and what it has found.
type WhatIf struct {
	WhatIfOrder
	Terms OtherTerms   `json:"terms"`
	Found *WhatIfFound `json:"found,omitempty" doc:"Omitted until it is done"`
}

// WhatIfFound is what a comparison of terms has come to. Discounts are negative.
type WhatIfFound struct {
	Months []WhatIfMonth `json:"months" nullable:"false"`
	Steps  []WhatIfStep  `json:"steps" nullable:"false" doc:"The discounts of all months by kind and step"`
	Bands  []WhatIfBand  `json:"bands" nullable:"false" doc:"By what an account is charged for a month"`
	Failed int64         `json:"failed" doc:"Accounts that could not be calculated, which count on neither side"`
}

// WhatIfMonth is a month under both terms.
type WhatIfMonth whatif.Month

// WhatIfStep is the discounts of a step under both terms.
type WhatIfStep whatif.Step

// WhatIfBand is the accounts that are charged alike in a month.
type WhatIfBand whatif.Band

// OtherTerms is the numbers of the terms that are compared with the present ones.
type OtherTerms struct {
	Invitee TermsStep   `json:"invitee"`
	Ladder  []TermsStep `json:"ladder" nullable:"false" minItems:"1" maxItems:"100" doc:"Step 1 first"`
}

// TermsStep is what one discount is.
type TermsStep struct {
	Percent int `json:"percent" minimum:"0" maximum:"100"`
	Months  int `json:"months" minimum:"1"`
	SMS     int `json:"sms,omitempty" minimum:"0" doc:"Size of the package that the step gives; of the ladder only"`
}

type whatIfInput struct {
	Order int64 `path:"order_id" minimum:"1"`
}

type whatIfRequest struct {
	Body struct {
		From  string     `json:"from" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-02"`
		To    string     `json:"to" pattern:"^[0-9]{4}-[0-9]{2}$" example:"2026-04" doc:"At most twelve months from the first"`
		Terms OtherTerms `json:"terms" doc:"In force from the very beginning; what they do not say is that of the present terms"`
	}
}

func (a *API) registerWhatIf() {
	const tag = "What-if"
	register(a, get("list-what-ifs", "/what-if", "The last comparisons of terms", tag, moneyRole), func(ctx context.Context, _ models.Staff, _ *struct{}) (WhatIfs, error) {
		orders, err := a.service.WhatIfs(ctx)
		return WhatIfs{each(orders, newWhatIfOrder)}, err
	})
	register(a, get("get-what-if", "/what-if/{order_id}", "A comparison of terms", tag, moneyRole, notFound), func(ctx context.Context, _ models.Staff, in *whatIfInput) (WhatIf, error) {
		return a.whatIf(ctx, in.Order)
	})
	register(a, post("order-what-if", "/what-if", "Order a comparison of terms; the same that has not ended is not ordered again", tag,
		[]models.Role{models.RoleFinance, models.RoleController}, refused), a.orderWhatIf)
}

func (a *API) orderWhatIf(ctx context.Context, staff models.Staff, in *whatIfRequest) (WhatIf, error) {
	from, err := periodOf(in.Body.From)
	if err != nil {
		return WhatIf{}, err
	}
	to, err := periodOf(in.Body.To)
	if err != nil {
		return WhatIf{}, err
	}
	terms, other := a.service.PresentTerms(), &in.Body.Terms
	terms.Invitee = billing.InviteeTerms{Percent: other.Invitee.Percent, Months: other.Invitee.Months}
	terms.Ladder = each(other.Ladder, func(s *TermsStep) billing.StepTerms { return billing.StepTerms(*s) })
	id, err := a.service.OrderWhatIf(ctx, staff, terms, from, to)
	if err != nil {
		return WhatIf{}, err
	}
	return a.whatIf(ctx, id)
}

func (a *API) whatIf(ctx context.Context, id int64) (WhatIf, error) {
	o, known, err := a.service.WhatIf(ctx, id)
	return newWhatIf(&o), found(known, err)
}

func newWhatIfOrder(o *models.RunOrder) WhatIfOrder {
	return WhatIfOrder{Order: newOrder(o), From: o.From, To: o.Period}
}

func newWhatIf(w *finance.WhatIf) WhatIf {
	out := WhatIf{WhatIfOrder: newWhatIfOrder(&w.RunOrder)}
	out.Terms.Invitee = TermsStep{Percent: w.Other.Invitee.Percent, Months: w.Other.Invitee.Months}
	out.Terms.Ladder = each(w.Other.Ladder, func(s *billing.StepTerms) TermsStep { return TermsStep(*s) })
	if found := w.Found; found != nil {
		out.Found = &WhatIfFound{
			Months: each(found.Months, func(m *whatif.Month) WhatIfMonth { return WhatIfMonth(*m) }),
			Steps:  each(found.Steps, func(s *whatif.Step) WhatIfStep { return WhatIfStep(*s) }),
			Bands:  each(found.Bands, func(b *whatif.Band) WhatIfBand { return WhatIfBand(*b) }), Failed: found.Failed,
		}
	}
	return out
}
