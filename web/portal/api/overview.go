package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

// Overview is what the account has today.
type Overview struct {
	Today      string     `json:"today" format:"date"`
	AccountID  int64      `json:"account_id"`
	Name       string     `json:"name"`
	Registered bool       `json:"registered"`
	Terminated bool       `json:"terminated"`
	Entered    bool       `json:"entered" doc:"Takes part: with a code, without one, or by having brought friends"`
	Code       string     `json:"code,omitempty" doc:"The account's own invitation code; left out until it is registered"`
	Link       string     `json:"link,omitempty" format:"uri" doc:"Carries the code"`
	Window     *Window    `json:"window,omitempty" doc:"Until when a friend's code may be entered; left out until the account is registered"`
	Joined     *Joined    `json:"joined,omitempty" doc:"The friend's code that was accepted"`
	Pending    bool       `json:"activation_pending" doc:"A code was entered, and waits for the account's registration"`
	Current    Discount   `json:"current"`
	Promised   *Promised  `json:"promised,omitempty" doc:"The new client's discount, before its promo period has ended"`
	Invitee    *Stretch   `json:"invitee_discount,omitempty" doc:"The new client's discount, past, present or to come"`
	Friends    int        `json:"friends" doc:"Clients brought, all of them"`
	OnLadder   int        `json:"friends_on_ladder" doc:"Of them on the climb that holds today"`
	Next       NextFriend `json:"next_friend" doc:"What one more friend would bring today"`
	Steps      []Step     `json:"steps" nullable:"false" doc:"The table of discounts"`
	Packages   []Package  `json:"packages" nullable:"false" doc:"SMS packages earned"`
}

// Window is until when a code may be entered.
type Window struct {
	LastDay  string    `json:"last_day" format:"date" doc:"Still counts"`
	ClosesAt time.Time `json:"closes_at" doc:"The first instant that is too late"`
	Open     bool      `json:"open" doc:"Today, and no code has been accepted yet"`
}

// Joined is the code that the account joined with.
type Joined struct {
	On      string `json:"on" format:"date"`
	Percent int    `json:"percent"`
	Months  int    `json:"months"`
}

// Discount is the percentage of a day.
type Discount struct {
	Percent int    `json:"percent" doc:"Both together, at most 100"`
	Invitee int    `json:"invitee_percent" doc:"As a new client"`
	Inviter int    `json:"inviter_percent" doc:"For friends"`
	Step    int    `json:"step" doc:"Of the table; 0 for none"`
	Until   string `json:"until,omitempty" format:"date" doc:"The first day with another percentage; left out when there is none today"`
}

// Promised is a discount that waits for the end of the promo period.
type Promised struct {
	Percent    int    `json:"percent"`
	Months     int    `json:"months"`
	PromoUntil string `json:"promo_until,omitempty" doc:"As it was planned"`
}

// Stretch is days with a percentage.
type Stretch struct {
	From    string `json:"from" format:"date"`
	To      string `json:"to" format:"date" doc:"The first day without"`
	Percent int    `json:"percent"`
}

// NextFriend is what one more friend would bring. Once the account has left that
// is a package at most.
type NextFriend struct {
	Step    int    `json:"step"`
	Percent int    `json:"percent"`
	End     string `json:"end,omitempty" format:"date" doc:"The first day without the discount"`
	SMS     int    `json:"sms" doc:"The package earned; 0 for none"`
}

// Step is a row of the table of discounts.
type Step struct {
	Friends int  `json:"friends"`
	Percent int  `json:"percent"`
	Months  int  `json:"months"`
	SMS     int  `json:"sms" doc:"The package; 0 for none"`
	Own     bool `json:"own" doc:"The step that holds today"`
}

// Package is an SMS package that was earned.
type Package struct {
	SMS      int    `json:"sms"`
	EarnedOn string `json:"earned_on" format:"date"`
	State    string `json:"state" enum:"earned,ordered,credited,rejected,written_off"`
	Period   string `json:"period" pattern:"^[0-9]{4}-[0-9]{2}$" doc:"Of the run it goes out with"`
}

type overviewOut struct{ Body Overview }

func (a *API) overview() {
	register(a, huma.Operation{
		OperationID: "get-overview", Method: http.MethodGet, Path: Prefix + "/standing", Summary: "What the account has today", Tags: []string{"Account"},
	}, []kind{unknownAccount}, func(ctx context.Context, account int64, _ *struct{}) (*overviewOut, error) {
		s, err := a.o.Service.Overview(ctx, account)
		if err != nil {
			return nil, err
		}
		return &overviewOut{newOverview(&s)}, nil
	})
}

func newOverview(s *portal.Overview) Overview {
	out := Overview{
		Today: s.Today.String(), AccountID: s.AccountID, Name: s.Name, Registered: s.Registered, Terminated: s.Terminated, Entered: s.Entered,
		Code: s.Code, Link: s.Link, Pending: s.Pending, Friends: s.Friends, OnLadder: s.OnLadder,
		Current: Discount{s.Current.Percent, s.Current.Invitee, s.Current.Inviter, s.Current.Step, dayOrNone(s.Current.Until)},
		Next:    NextFriend{s.Next.Step, s.Next.Percent, dayOrNone(s.Next.End), s.Next.SMS},
		Steps:   make([]Step, len(s.Steps)), Packages: make([]Package, len(s.Packages)),
	}
	if s.Registered {
		out.Window = &Window{s.Window.LastDay.String(), s.Window.ClosesAt, s.Window.Open}
	}
	if j := s.Joined; j != nil {
		out.Joined = &Joined{j.On.String(), j.Percent, j.Months}
	}
	if p := s.Promised; p != nil {
		out.Promised = &Promised{p.Percent, p.Months, p.PromoUntil}
	}
	if d := s.Invitee; d != nil {
		out.Invitee = &Stretch{d.From.String(), d.To.String(), d.Percent}
	}
	for i, step := range s.Steps {
		out.Steps[i] = Step(step)
	}
	for i, p := range s.Packages {
		out.Packages[i] = newPackage(p)
	}
	return out
}

func newPackage(p billing.PortalPackage) Package {
	return Package{p.SMS, p.EarnedOn.String(), string(p.State), p.Period.String()}
}

// dayOrNone leaves out the day that stands for none.
func dayOrNone(d models.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
