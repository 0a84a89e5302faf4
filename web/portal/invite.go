package portal

import (
	"context"
	"encoding/binary"
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

// Invite accepts an invitation. It continues after the client has disconnected, so
// that a repeat finds an answer.
func (s *service) Invite(ctx context.Context, account int64, i Invite) (v InviteResult, err error) {
	defer func() { s.metrics.invited(v, err) }()
	ctx, cancel := detached(ctx)
	defer cancel()
	to, refused := s.recipient(i)
	if refused != "" {
		return InviteResult{Refusal: refused}, nil
	}
	take := func(on identity) (result[inviteAnswer], error) { return s.acceptInvite(ctx, account, to, on) }
	answer, on, kept, err := idempotent(ctx, s, operation{account, i.Key, "invitation", string(to.Channel) + " " + to.Address}, take)
	if err == nil && kept && answer.Refusal == "" {
		// The invitation itself is found by its id, which is derived from the request.
		var again result[inviteAnswer]
		again, err = s.createInvitation(ctx, account, to, "", on)
		answer = again.answer
	}
	return InviteResult{Invitation: answer.invitation, Refusal: answer.Refusal, Wait: answer.wait}, err
}

func (s *service) recipient(i Invite) (contact.Recipient, InviteRefusal) {
	to, err := s.options.Invites.Recipients.Normalize(i.Channel, i.Recipient)
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

// codeOf is the code that an account may invite with; empty when it has none yet or
// has left.
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
	taken, err := s.options.Store.Invite(ctx, models.InvitationRequest{
		ID: models.UUID(uuid.NewSHA1(invitations, []byte(on.id))), AccountID: account, Channel: to.Channel, Recipient: to.Address, Key: to.Key,
		Code: code, Token: s.options.NewToken(), Day: s.today(), PerDay: s.options.Invites.PerDay,
	})
	switch {
	case errors.Is(err, models.ErrTooManyInvitations):
		return tomorrow(InviteTooMany, s.untilTomorrow()), nil
	case errors.Is(err, models.ErrRecipientInvited):
		return tomorrow(InviteAlreadyInvited, s.untilTomorrow()), nil
	case errors.Is(err, models.ErrOptedOut):
		return result[inviteAnswer]{answer: inviteAnswer{Refusal: InviteOptedOut}}, nil
	}
	return result[inviteAnswer]{answer: inviteAnswer{invitation: taken}}, err
}

func tomorrow(r InviteRefusal, wait time.Duration) result[inviteAnswer] {
	return result[inviteAnswer]{answer: inviteAnswer{Refusal: r, wait: wait}, transient: true}
}

// untilTomorrow is the time until the next day in the programme's zone.
func (s *service) untilTomorrow() time.Duration {
	now := s.options.Now().In(s.options.Programme.Zone)
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, s.options.Programme.Zone).Sub(now)
}

// Invitations lists those that the client has sent, the newest first.
func (s *service) Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error) {
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
	list, err := s.options.Store.Invitations(ctx, account, start, size+1)
	if err != nil {
		return Page[models.Invitation]{}, err
	}
	page := Page[models.Invitation]{Items: list}
	if len(list) > size {
		last := list[size-1].ID
		page.Items = list[:size]
		page.Next = newCursor(invitationsCursor, account, int64(binary.BigEndian.Uint64(last[:8])), int64(binary.BigEndian.Uint64(last[8:])))
	}
	return page, nil
}

// OptOut stops all further invitations to the recipient of an invitation.
func (s *service) OptOut(ctx context.Context, token string) (found bool, err error) {
	return s.options.Store.OptOut(ctx, models.TokenDigest(token))
}
