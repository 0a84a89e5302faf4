package pages_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
)

// fakeService is a service in memory: each account is a scene, and calls are
// recorded.
type fakeService struct {
	scenes            map[int64]*scene
	decisions         map[string]portal.ActivationResult // by code; another code is accepted
	refusals          map[string]portal.InviteRefusal    // by recipient
	waits             map[portal.InviteRefusal]time.Duration
	underWay          int   // how often to say that the same is under way
	broken            error // what every verb answers
	keyed             error // what activating and inviting answer, if anything
	attempts          []portal.ActivationRequest
	invites           []portal.InvitationRequest
	optedOut          []string
	joinedWithoutCode []int64
}

type scene struct {
	overview    portal.Overview
	friends     []portal.Friend
	changes     []billing.DiscountChange
	months      []billing.MonthMoney
	why         map[string]billing.InvoiceExplanation
	invitations []models.Invitation
}

func (f *fakeService) Overview(_ context.Context, account int64) (portal.Overview, error) {
	s, ok := f.scenes[account]
	if !ok && f.broken == nil {
		anybody := portal.Overview{PortalView: billing.PortalView{Today: today, AccountID: account, Steps: table(0), Offer: billing.Offer{Percent: 20, Months: 3}, Window: billing.Window{Months: 1}}}
		return anybody, fmt.Errorf("looking: %w", portal.ErrUnknownAccount)
	}
	if f.broken != nil {
		return portal.Overview{}, f.broken
	}
	return s.overview, nil
}

func (f *fakeService) of(account int64) *scene {
	if s, ok := f.scenes[account]; ok {
		return s
	}
	return &scene{}
}

func (f *fakeService) JoinWithoutCode(_ context.Context, account int64) error {
	f.joinedWithoutCode = append(f.joinedWithoutCode, account)
	if s, ok := f.scenes[account]; ok && f.broken == nil {
		s.overview.TakesPart = true
	}
	return f.broken
}

func (f *fakeService) Activate(_ context.Context, account int64, a portal.ActivationRequest) (portal.ActivationResult, error) {
	f.attempts = append(f.attempts, a)
	if err := f.failure(); err != nil {
		return portal.ActivationResult{}, err
	}
	if v, ok := f.decisions[models.NormalCode(a.Code)]; ok {
		return v, nil
	}
	s := f.of(account)
	s.overview.TakesPart, s.overview.Joined = true, &billing.JoinedBy{On: today, Percent: 20, Months: 3}
	s.overview.Promised = &billing.PromisedInvitee{Percent: 20, Months: 3, PromoUntil: "2026-05-04"}
	return portal.ActivationResult{Accepted: true}, nil
}

func (f *fakeService) failure() error {
	if f.underWay > 0 {
		f.underWay--
		return fmt.Errorf("claiming: %w", portal.ErrUnderWay)
	}
	return errors.Join(f.broken, f.keyed)
}

func (f *fakeService) Friends(_ context.Context, account int64, after string, limit int) (portal.Page[portal.Friend], error) {
	return part(f, f.of(account).friends, after, limit)
}

func (f *fakeService) Changes(_ context.Context, account int64, after string, limit int) (portal.Page[billing.DiscountChange], error) {
	return part(f, f.of(account).changes, after, limit)
}

func (f *fakeService) Months(_ context.Context, account int64, after string, limit int) (portal.Page[billing.MonthMoney], error) {
	return part(f, f.of(account).months, after, limit)
}

func (f *fakeService) Invitations(_ context.Context, account int64, after string, limit int) (portal.Page[models.Invitation], error) {
	return part(f, f.of(account).invitations, after, limit)
}

// part is a page whose cursor is the number of items before it.
func part[T any](f *fakeService, all []T, after string, limit int) (portal.Page[T], error) {
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(after); err != nil || from > len(all) {
			return portal.Page[T]{}, fmt.Errorf("paging: %w", portal.ErrBadCursor)
		}
	}
	to := min(len(all), from+limit)
	page := portal.Page[T]{Items: all[from:to]}
	if to < len(all) {
		page.Next = strconv.Itoa(to)
	}
	return page, f.broken
}

func (f *fakeService) ExplainInvoice(_ context.Context, account int64, invoice string) (billing.InvoiceExplanation, bool, error) {
	e, found := f.of(account).why[invoice]
	return e, found, f.broken
}

func (f *fakeService) Invite(_ context.Context, account int64, i portal.InvitationRequest) (portal.InviteResult, error) {
	f.invites = append(f.invites, i)
	if err := f.failure(); err != nil {
		return portal.InviteResult{}, err
	}
	if refusal, ok := f.refusals[i.Recipient]; ok {
		return portal.InviteResult{Refusal: refusal, Wait: f.waits[refusal]}, nil
	}
	if i.Channel == models.Email && !strings.Contains(i.Recipient, "@") {
		return portal.InviteResult{Refusal: portal.InviteBadRecipient}, nil
	}
	s := f.of(account)
	sent := invitation(len(s.invitations)+1, i.Channel, i.Recipient, models.InvitationQueued, now)
	s.invitations = append([]models.Invitation{sent}, s.invitations...)
	return portal.InviteResult{Invitation: sent}, nil
}

func (f *fakeService) OptOut(_ context.Context, token string) (bool, error) {
	f.optedOut = append(f.optedOut, token)
	return token == goodToken, f.broken
}

const goodToken = "dG9rZW4tb2YtYW4taW52aXRhdGlvbg"

func invitation(n int, channel models.Channel, recipient string, state models.InvitationState, at time.Time) models.Invitation {
	return models.Invitation{ID: models.UUID{15: byte(n)}, Channel: channel, Recipient: recipient, Code: "K7M2QX9PA", State: state, CreatedAt: at, ChangedAt: at}
}
