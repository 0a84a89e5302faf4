package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
	"referral/models"
	"referral/web/jsonapi"
	"referral/web/portal"
)

// Overview is the state of the account today.
type Overview struct {
	Today      models.Date     `json:"today" format:"date"`
	AccountID  int64           `json:"account_id"`
	Name       string          `json:"name"`
	Registered bool            `json:"registered"`
	Terminated bool            `json:"terminated"`
	Entered    bool            `json:"entered" doc:"Takes part: with a code, without one, or by having referred an account"`
	Code       string          `json:"code,omitempty" doc:"The account's own invitation code; omitted until it is registered"`
	Link       string          `json:"link,omitempty" format:"uri" doc:"Contains the code"`
	Window     *Window         `json:"window,omitempty" doc:"Until when an invitation code may be entered; omitted until the account is registered"`
	Joined     *Joined         `json:"joined,omitempty" doc:"The invitation code that was accepted"`
	Pending    bool            `json:"activation_pending" doc:"A code was entered; it is checked once the account's registration has arrived"`
	Current    Discount        `json:"current"`
	Promised   *Promised       `json:"promised,omitempty" doc:"The new client's discount, before the promo period has ended"`
	Invitee    *DiscountPeriod `json:"invitee_discount,omitempty" doc:"The new client's discount, past, present or future"`
	Friends    int             `json:"friends" doc:"Referred accounts, all of them"`
	OnLadder   int             `json:"friends_on_ladder" doc:"Referred accounts that count for today's step"`
	Next       NextFriend      `json:"next_friend" doc:"What one more referred account would bring today"`
	Steps      []Step          `json:"steps" nullable:"false" doc:"The discount table"`
	Packages   []Package       `json:"packages" nullable:"false" doc:"SMS packages earned"`
}

// Window is until when an invitation code may be entered.
type Window struct {
	LastDay  models.Date `json:"last_day" format:"date" doc:"Inclusive"`
	ClosesAt time.Time   `json:"closes_at" doc:"The first instant that is too late"`
	Open     bool        `json:"open" doc:"Today, and no code has been accepted yet"`
}

// Joined is the accepted code and its discount.
type Joined struct {
	On      models.Date `json:"on" format:"date"`
	Percent int         `json:"percent"`
	Months  int         `json:"months"`
	Revoked bool        `json:"revoked,omitempty" doc:"Its discount has ended, because the referral was revoked"`
}

// Discount is the percentage of a day.
type Discount struct {
	Percent int         `json:"percent" doc:"The sum of all, at most 100"`
	Invitee int         `json:"invitee_percent" doc:"As a new client"`
	Inviter int         `json:"inviter_percent" doc:"For referred accounts"`
	Agreed  int         `json:"agreed_percent,omitempty" doc:"Agreed with the client outside the rules"`
	Step    int         `json:"step" doc:"Of the discount table; 0 for none"`
	Until   models.Date `json:"until,omitempty" format:"date" doc:"The first day with another percentage; omitted when there is no discount today"`
}

// Promised is a discount that begins after the promo period.
type Promised struct {
	Percent    int    `json:"percent"`
	Months     int    `json:"months"`
	PromoUntil string `json:"promo_until,omitempty" doc:"The planned end of the promo period"`
}

// DiscountPeriod is the days of a discount.
type DiscountPeriod struct {
	From    models.Date `json:"from" format:"date"`
	To      models.Date `json:"to" format:"date" doc:"The first day without"`
	Percent int         `json:"percent"`
}

// NextFriend is what one more referred account would bring. A terminated account can
// earn only a package.
type NextFriend struct {
	Step    int         `json:"step"`
	Percent int         `json:"percent"`
	End     models.Date `json:"end,omitempty" format:"date" doc:"The first day without the discount"`
	SMS     int         `json:"sms" doc:"The package earned; 0 for none"`
}

// Step is a row of the discount table.
type Step struct {
	Friends int  `json:"friends"`
	Percent int  `json:"percent"`
	Months  int  `json:"months"`
	SMS     int  `json:"sms" doc:"The package; 0 for none"`
	Own     bool `json:"own" doc:"The account's step today"`
}

// Package is an SMS package that was earned.
type Package struct {
	SMS      int                  `json:"sms"`
	EarnedOn models.Date          `json:"earned_on" format:"date"`
	State    billing.PackageState `json:"state" enum:"earned,ordered,credited,rejected,written_off"`
	Period   models.Period        `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$" doc:"Of the run that sends it"`
}

func (a *API) registerOverview() {
	register(a, huma.Operation{
		OperationID: "get-overview", Method: http.MethodGet, Path: "/standing", Summary: "The state of the account today", Tags: []string{"Account"},
	}, []jsonapi.Kind{unknownAccount}, func(ctx context.Context, account int64, _ *struct{}) (Overview, error) {
		o, err := a.service.Overview(ctx, account)
		return newOverview(&o), err
	})
}

func newOverview(o *portal.Overview) Overview {
	out := Overview{
		Today: o.Today, AccountID: o.AccountID, Name: o.Name, Registered: o.Registered, Terminated: o.Terminated, Entered: o.TakesPart,
		Code: o.Code, Link: o.Link, Joined: (*Joined)(o.Joined), Pending: o.Pending, Current: Discount(o.Current), Promised: (*Promised)(o.Promised),
		Friends: o.Friends, OnLadder: o.OnLadder, Next: NextFriend(o.Next),
		Steps:    each(o.Steps, func(s billing.PortalStep) Step { return Step(s) }),
		Packages: each(o.Packages, func(p billing.PortalPackage) Package { return Package(p) }),
	}
	if o.Registered {
		out.Window = &Window{LastDay: o.Window.LastDay, ClosesAt: o.Window.ClosesAt, Open: o.Window.Open}
	}
	if d := o.Invitee; d != nil {
		out.Invitee = &DiscountPeriod{From: d.From, To: d.To, Percent: d.Percent}
	}
	return out
}
