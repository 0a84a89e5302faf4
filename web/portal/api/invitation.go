package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/models"
	"referral/web/portal"
)

// NewInvitation is whom to invite, and how.
type NewInvitation struct {
	Channel   string `json:"channel" enum:"email,sms"`
	Recipient string `json:"recipient" minLength:"1" maxLength:"320" doc:"A mail address, or a mobile number in any Russian notation"`
}

// Invitation is a message to a friend, and how far it got.
type Invitation struct {
	ID        string    `json:"invitation_id" format:"uuid"`
	Channel   string    `json:"channel" enum:"email,sms"`
	Recipient string    `json:"recipient,omitempty" doc:"As it is written to: a mail address, or a number in E.164. Left out once it has been forgotten, some months after the invitation"`
	State     string    `json:"state" enum:"queued,sending,sent,delivered,failed,unknown,opted_out"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

type (
	invitationIn struct {
		Repeatable
		Body NewInvitation
	}
	invitationOut struct{ Body Invitation }
)

func (a *API) invitations() {
	a.listInvitations()
	var problems []kind
	for _, k := range refusals {
		problems = append(problems, k)
	}
	register(a, huma.Operation{
		OperationID: "invite", Method: http.MethodPost, Path: Prefix + "/invitations", Summary: "Have a friend written to", Tags: []string{"Account"},
		DefaultStatus: http.StatusCreated,
		Description:   "At most so many a day, and one a day to a recipient, whoever invites. A recipient may opt out of all of them.",
	}, append(problems, underWay, keyReused), func(ctx context.Context, account int64, in *invitationIn) (*invitationOut, error) {
		v, err := a.o.Service.Invite(ctx, account, portal.Invite{Channel: models.Channel(in.Body.Channel), Recipient: in.Body.Recipient, Key: in.Key})
		if err != nil {
			return nil, err
		}
		if v.Refusal != "" {
			return nil, problemIn(refusals[v.Refusal], v.Wait)
		}
		return &invitationOut{newInvitation(&v.Invitation)}, nil
	})
}

func newInvitation(i *models.Invitation) Invitation {
	return Invitation{i.ID.String(), string(i.Channel), i.Recipient, string(i.State), i.CreatedAt, i.ChangedAt}
}
