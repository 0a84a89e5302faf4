package cabinet

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

// invitations is the namespace of invitation ids: an id follows from the request,
// so that a repeat is the same invitation.
var invitations = uuid.NewSHA1(uuid.NameSpaceURL, []byte("referral/invitations"))

// inviteAnswer is what is kept of an answer: nothing of the recipient.
type inviteAnswer struct {
	Refusal InviteRefusal `json:"refusal,omitempty"`
	taken   models.Invitation
	wait    time.Duration
}

// Invite takes on an invitation. It goes on when the client hangs up, so that what
// a repeat finds is an answer.
func (o *Office) Invite(ctx context.Context, account int64, i Invite) (v InviteVerdict, err error) {
	defer func() { o.metrics.invited(v, err) }()
	ctx, cancel := throughout(ctx)
	defer cancel()
	to, refused := o.recipient(i)
	if refused != "" {
		return InviteVerdict{Refusal: refused}, nil
	}
	take := func(on occasion) (result[inviteAnswer], error) { return o.takeOn(ctx, account, to, on) }
	answer, on, kept, err := once(ctx, o, asked{account, i.Key, "invitation", string(to.Channel) + " " + to.Address}, take)
	if err == nil && kept && answer.Refusal == "" {
		// The invitation itself is found by its id, which is that of the occasion.
		var again result[inviteAnswer]
		again, err = o.order(ctx, account, to, "", on)
		answer = again.answer
	}
	return InviteVerdict{Invitation: answer.taken, Refusal: answer.Refusal, Wait: answer.wait}, err
}

func (o *Office) recipient(i Invite) (contact.Recipient, InviteRefusal) {
	to, err := o.o.Invites.Recipients.Normalize(i.Channel, i.Recipient)
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

// codeOf is the code that an account may invite with; empty when it has none yet,
// or has left.
func (o *Office) codeOf(ctx context.Context, account int64) (string, error) {
	facts, _, _, err := o.o.Store.Cabinet(ctx, account)
	if err != nil || o.o.Programme.Terminated(&facts.Account, o.today()) {
		return "", err
	}
	return facts.Account.Code, nil
}

func (o *Office) takeOn(ctx context.Context, account int64, to contact.Recipient, on occasion) (result[inviteAnswer], error) {
	code, err := o.codeOf(ctx, account)
	if err != nil || code == "" || !slices.Contains(o.o.Invites.Channels, to.Channel) {
		return result[inviteAnswer]{answer: inviteAnswer{Refusal: InviteNotPossible}, momentary: true}, err
	}
	return o.order(ctx, account, to, code, on)
}

// order is the invitation of an occasion: one with the code, unless it is there
// already.
func (o *Office) order(ctx context.Context, account int64, to contact.Recipient, code string, on occasion) (result[inviteAnswer], error) {
	taken, err := o.o.Store.Invite(ctx, models.InvitationRequest{
		ID: models.UUID(uuid.NewSHA1(invitations, []byte(on.id))), AccountID: account, Channel: to.Channel, Recipient: to.Address, Key: to.Key,
		Code: code, Token: o.o.NewToken(), Day: o.today(), PerDay: o.o.Invites.PerDay,
	})
	switch {
	case errors.Is(err, models.ErrTooManyInvitations):
		return tomorrow(InviteTooMany, o.untilTomorrow()), nil
	case errors.Is(err, models.ErrRecipientInvited):
		return tomorrow(InviteAlreadyInvited, o.untilTomorrow()), nil
	case errors.Is(err, models.ErrOptedOut):
		return result[inviteAnswer]{answer: inviteAnswer{Refusal: InviteOptedOut}}, nil
	}
	return result[inviteAnswer]{answer: inviteAnswer{taken: taken}}, err
}

func tomorrow(r InviteRefusal, wait time.Duration) result[inviteAnswer] {
	return result[inviteAnswer]{answer: inviteAnswer{Refusal: r, wait: wait}, momentary: true}
}

// untilTomorrow is how long the programme's day still lasts.
func (o *Office) untilTomorrow() time.Duration {
	now := o.o.Now().In(o.o.Programme.Zone)
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, o.o.Programme.Zone).Sub(now)
}

// Invitations is those that the client has sent, the newest first.
func (o *Office) Invitations(ctx context.Context, account int64, after string, limit int) (Page[models.Invitation], error) {
	at, err := readMark(invitationsMark, account, after, 2)
	if err != nil {
		return Page[models.Invitation]{}, err
	}
	var mark models.UUID
	if at != nil {
		binary.BigEndian.PutUint64(mark[:8], uint64(at[0]))
		binary.BigEndian.PutUint64(mark[8:], uint64(at[1]))
	}
	size := pageSize(limit)
	list, err := o.o.Store.Invitations(ctx, account, mark, size+1)
	if err != nil {
		return Page[models.Invitation]{}, err
	}
	page := Page[models.Invitation]{Items: list}
	if len(list) > size {
		last := list[size-1].ID
		page.Items = list[:size]
		page.Next = newMark(invitationsMark, account, int64(binary.BigEndian.Uint64(last[:8])), int64(binary.BigEndian.Uint64(last[8:])))
	}
	return page, nil
}

// OptOut has the recipient of an invitation never written to again.
func (o *Office) OptOut(ctx context.Context, token string) (found bool, err error) {
	return o.o.Store.OptOut(ctx, models.TokenDigest(token))
}
