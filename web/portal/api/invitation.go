package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/models"
	"referral/web/jsonapi"
	"referral/web/portal"
)

// NewInvitation is an invitation to be sent.
type NewInvitation struct {
	Channel   models.Channel `json:"channel" enum:"email,sms"`
	Recipient string         `json:"recipient" minLength:"1" maxLength:"320" doc:"An e-mail address, or a mobile number in any Russian notation"`
}

// Invitation is an invitation and its state.
type Invitation struct {
	ID        models.UUID            `json:"invitation_id" format:"uuid"`
	Channel   models.Channel         `json:"channel" enum:"email,sms"`
	Recipient string                 `json:"recipient,omitempty" doc:"Normalised: an e-mail address, or a number in E.164. Omitted once it has been erased, some months after the invitation"`
	State     models.InvitationState `json:"state" enum:"queued,sending,sent,delivered,failed,unknown,opted_out"`
	CreatedAt time.Time              `json:"created_at"`
	ChangedAt time.Time              `json:"changed_at"`
}

type invitationInput struct {
	IdempotencyKey
	Body NewInvitation
}

func (a *API) registerInvite() {
	register(a, huma.Operation{
		OperationID: "invite", Method: http.MethodPost, Path: "/invitations", Summary: "Send an invitation", Tags: []string{"Account"},
		DefaultStatus: http.StatusCreated,
		Description:   "The invitations of an account are limited by day. A recipient gets one a day from all accounts together, and may opt out of all.",
	}, append(slices.Collect(maps.Values(refusals)), underWay, keyReused), a.invite)
}

func (a *API) invite(ctx context.Context, account int64, in *invitationInput) (Invitation, error) {
	v, err := a.service.Invite(ctx, account, portal.InvitationRequest{Channel: in.Body.Channel, Recipient: in.Body.Recipient, Key: in.Key})
	if err == nil && v.Refusal != "" {
		err = jsonapi.ProblemAfter(refusals[v.Refusal], v.Wait)
	}
	return newInvitation(v.Invitation), err
}

func newInvitation(i models.Invitation) Invitation {
	return Invitation{ID: i.ID, Channel: i.Channel, Recipient: i.Recipient, State: i.State, CreatedAt: i.CreatedAt, ChangedAt: i.ChangedAt}
}
