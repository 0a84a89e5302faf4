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
	"referral/web/cabinet"
)

// fakeDesk is a desk in memory: each account is a scene, and what was asked of it
// is kept.
type fakeDesk struct {
	scenes      map[int64]*scene
	verdicts    map[string]cabinet.Verdict       // by code; another code is accepted
	refusals    map[string]cabinet.InviteRefusal // by recipient
	waits       map[cabinet.InviteRefusal]time.Duration
	underWay    int   // how often to say that the same is under way
	broken      error // what every verb answers
	keyed       error // what activating and inviting answer, if anything
	attempts    []cabinet.Attempt
	invites     []cabinet.Invite
	optedOut    []string
	enteredBare []int64
}

type scene struct {
	standing    cabinet.Standing
	friends     []cabinet.Friend
	changes     []billing.DiscountChange
	months      []billing.MonthMoney
	why         map[string]billing.InvoiceExplanation
	invitations []models.Invitation
}

func (d *fakeDesk) Standing(_ context.Context, account int64) (cabinet.Standing, error) {
	s, ok := d.scenes[account]
	if !ok && d.broken == nil {
		anybody := cabinet.Standing{Cabinet: billing.Cabinet{Today: today, AccountID: account, Steps: table(0), Offer: billing.Offer{Percent: 20, Months: 3}, Window: billing.Window{Months: 1}}}
		return anybody, fmt.Errorf("looking: %w", cabinet.ErrUnknownAccount)
	}
	if d.broken != nil {
		return cabinet.Standing{}, d.broken
	}
	return s.standing, nil
}

func (d *fakeDesk) of(account int64) *scene {
	if s, ok := d.scenes[account]; ok {
		return s
	}
	return &scene{}
}

func (d *fakeDesk) EnterWithoutCode(_ context.Context, account int64) error {
	d.enteredBare = append(d.enteredBare, account)
	if s, ok := d.scenes[account]; ok && d.broken == nil {
		s.standing.Entered = true
	}
	return d.broken
}

func (d *fakeDesk) Activate(_ context.Context, account int64, a cabinet.Attempt) (cabinet.Verdict, error) {
	d.attempts = append(d.attempts, a)
	if err := d.hurdle(); err != nil {
		return cabinet.Verdict{}, err
	}
	if v, ok := d.verdicts[models.NormalCode(a.Code)]; ok {
		return v, nil
	}
	s := d.of(account)
	s.standing.Entered, s.standing.Joined = true, &billing.JoinedBy{On: today, Percent: 20, Months: 3}
	s.standing.Promised = &billing.PromisedInvitee{Percent: 20, Months: 3, PromoUntil: "2026-05-04"}
	return cabinet.Verdict{Accepted: true}, nil
}

func (d *fakeDesk) hurdle() error {
	if d.underWay > 0 {
		d.underWay--
		return fmt.Errorf("claiming: %w", cabinet.ErrUnderWay)
	}
	return errors.Join(d.broken, d.keyed)
}

func (d *fakeDesk) Friends(_ context.Context, account int64, after string, limit int) (cabinet.Page[cabinet.Friend], error) {
	return part(d, d.of(account).friends, after, limit)
}

func (d *fakeDesk) Changes(_ context.Context, account int64, after string, limit int) (cabinet.Page[billing.DiscountChange], error) {
	return part(d, d.of(account).changes, after, limit)
}

func (d *fakeDesk) Months(_ context.Context, account int64, after string, limit int) (cabinet.Page[billing.MonthMoney], error) {
	return part(d, d.of(account).months, after, limit)
}

func (d *fakeDesk) Invitations(_ context.Context, account int64, after string, limit int) (cabinet.Page[models.Invitation], error) {
	return part(d, d.of(account).invitations, after, limit)
}

// part is a page whose cursor is the number of items before it.
func part[T any](d *fakeDesk, all []T, after string, limit int) (cabinet.Page[T], error) {
	from := 0
	if after != "" {
		var err error
		if from, err = strconv.Atoi(after); err != nil || from > len(all) {
			return cabinet.Page[T]{}, fmt.Errorf("paging: %w", cabinet.ErrBadCursor)
		}
	}
	to := min(len(all), from+limit)
	page := cabinet.Page[T]{Items: all[from:to]}
	if to < len(all) {
		page.Next = strconv.Itoa(to)
	}
	return page, d.broken
}

func (d *fakeDesk) Why(_ context.Context, account int64, invoice string) (billing.InvoiceExplanation, bool, error) {
	e, found := d.of(account).why[invoice]
	return e, found, d.broken
}

func (d *fakeDesk) Invite(_ context.Context, account int64, i cabinet.Invite) (cabinet.InviteVerdict, error) {
	d.invites = append(d.invites, i)
	if err := d.hurdle(); err != nil {
		return cabinet.InviteVerdict{}, err
	}
	if refusal, ok := d.refusals[i.Recipient]; ok {
		return cabinet.InviteVerdict{Refusal: refusal, Wait: d.waits[refusal]}, nil
	}
	if i.Channel == models.Email && !strings.Contains(i.Recipient, "@") {
		return cabinet.InviteVerdict{Refusal: cabinet.InviteBadRecipient}, nil
	}
	s := d.of(account)
	sent := invitation(len(s.invitations)+1, i.Channel, i.Recipient, models.InvitationQueued, now)
	s.invitations = append([]models.Invitation{sent}, s.invitations...)
	return cabinet.InviteVerdict{Invitation: sent}, nil
}

func (d *fakeDesk) OptOut(_ context.Context, token string) (bool, error) {
	d.optedOut = append(d.optedOut, token)
	return token == goodToken, d.broken
}

const goodToken = "dG9rZW4tb2YtYW4taW52aXRhdGlvbg"

func invitation(n int, channel models.Channel, recipient string, state models.InvitationState, at time.Time) models.Invitation {
	return models.Invitation{ID: models.UUID{15: byte(n)}, Channel: channel, Recipient: recipient, Code: "K7M2QX9PA", State: state, CreatedAt: at, ChangedAt: at}
}
