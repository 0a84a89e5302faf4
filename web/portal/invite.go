package portal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"referral/contact"
	"referral/models"
)

// invitations is the namespace of invitation ids: an id is derived from the request,
// so that a repeat is the same invitation.
var invitations = uuid.NewSHA1(uuid.NameSpaceURL, []byte("referral/invitations"))

// inviteAnswer is the answer. Only the refusal is stored, so nothing of the recipient.
type inviteAnswer struct {
	Refusal    InviteRefusal `json:"refusal,omitempty"`
	invitation models.Invitation
	wait       time.Duration
}

func (s *service) Invite(ctx context.Context, account int64, r InvitationRequest) (v InviteResult, err error) {
	defer func() { s.metrics.invited(v, err) }()
	ctx, cancel := detached(ctx)
	defer cancel()
	to, refused := s.recipient(r)
	if refused != "" {
		return InviteResult{Refusal: refused}, nil
	}
	accept := func(on identity) (result[inviteAnswer], error) { return s.acceptInvite(ctx, account, to, on) }
	answer, on, kept, err := idempotent(ctx, s, operation{account: account, key: r.Key, name: "invitation", argument: string(to.Channel) + " " + to.Address}, accept)
	if err == nil && kept && answer.Refusal == "" {
		// The invitation itself is found by its id, which is derived from the request.
		var again result[inviteAnswer]
		again, err = s.createInvitation(ctx, account, to, "", on)
		answer = again.answer
	}
	return InviteResult{Invitation: answer.invitation, Refusal: answer.Refusal, Wait: answer.wait}, err
}

func (s *service) recipient(r InvitationRequest) (contact.Recipient, InviteRefusal) {
	to, err := s.options.Invites.Recipients.Normalize(r.Channel, r.Recipient)
	switch {
	case err == nil:
		return to, ""
	case errors.Is(err, contact.ErrPremium):
		return to, InvitePremiumNumber
	case errors.Is(err, contact.ErrLookalike):
		return to, InviteLookalike
	case errors.Is(err, contact.ErrForeignLetters):
		return to, InviteForeignLetters
	}
	return to, InviteBadRecipient
}

// codeOf returns the code that an account may invite with; empty when it has none yet
// or is terminated.
func (s *service) codeOf(ctx context.Context, account int64) (string, error) {
	facts, _, _, err := s.options.Store.PortalAccount(ctx, account)
	if err != nil || s.options.Programme.Terminated(&facts.Account, s.today()) {
		return "", err
	}
	return facts.Account.Code, nil
}

func (s *service) acceptInvite(ctx context.Context, account int64, to contact.Recipient, on identity) (result[inviteAnswer], error) {
	code, err := s.codeOf(ctx, account)
	if err != nil || code == "" || !slices.Contains(s.options.Invites.Channels, to.Channel) {
		return result[inviteAnswer]{answer: inviteAnswer{Refusal: InviteNotPossible}, transient: true}, err
	}
	return s.createInvitation(ctx, account, to, code, on)
}

// createInvitation returns the invitation of a request, and creates it with the code
// if it does not exist.
func (s *service) createInvitation(ctx context.Context, account int64, to contact.Recipient, code string, on identity) (result[inviteAnswer], error) {
	invitation, err := s.options.Store.Invite(ctx, models.InvitationRequest{
		ID: models.UUID(uuid.NewSHA1(invitations, []byte(on.id))), AccountID: account, Channel: to.Channel, Recipient: to.Address, Key: to.Key,
		Code: code, Token: s.options.NewToken(), Day: s.today(), PerDay: s.options.Invites.PerDay,
	})
	switch {
	case errors.Is(err, models.ErrTooManyInvitations):
		return s.refuseToday(InviteTooMany), nil
	case errors.Is(err, models.ErrRecipientInvited):
		return s.refuseToday(InviteAlreadyInvited), nil
	case errors.Is(err, models.ErrOptedOut):
		return result[inviteAnswer]{answer: inviteAnswer{Refusal: InviteOptedOut}}, nil
	}
	return result[inviteAnswer]{answer: inviteAnswer{invitation: invitation}}, err
}

// refuseToday refuses until the next day in the programme's zone.
func (s *service) refuseToday(r InviteRefusal) result[inviteAnswer] {
	now := s.options.Now().In(s.options.Programme.Zone)
	tomorrow := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, s.options.Programme.Zone)
	return result[inviteAnswer]{answer: inviteAnswer{Refusal: r, wait: tomorrow.Sub(now)}, transient: true}
}

func (s *service) OptOut(ctx context.Context, token string) (found bool, err error) {
	return s.options.Store.OptOut(ctx, models.TokenDigest(token))
}
