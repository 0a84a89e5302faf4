package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"referral/models"
	"referral/web/jsonapi"
	"referral/web/portal"
)

// IdempotencyKey is the header of a request that may be repeated.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client for this request. For a day, a repeat with the same key gets the first answer"`
}

// Activation is an invitation code as the client typed it.
type Activation struct {
	Code string `json:"code" minLength:"1" maxLength:"64" example:"ABCD-EFGH-J" doc:"Blanks, hyphens and case are ignored"`
}

// ActivationResult is the decision about a code.
type ActivationResult struct {
	Accepted bool          `json:"accepted"`
	Waiting  bool          `json:"waiting" doc:"The code is checked once the account's registration has arrived"`
	Reason   models.Reason `json:"reason,omitempty" enum:"unknown_code,own_code,own_company,already_activated,window_closed" doc:"Why the code was refused"`
}

type activationInput struct {
	IdempotencyKey
	Body Activation
}

func (a *API) activate(ctx context.Context, account int64, in *activationInput) (ActivationResult, error) {
	v, err := a.service.Activate(ctx, account, portal.ActivationRequest{Code: in.Body.Code, ClientIP: clientIP(ctx), Key: in.Key})
	if err == nil && v.Wait > 0 {
		err = jsonapi.ProblemAfter(tooManyCodes, v.Wait)
	}
	return ActivationResult{Accepted: v.Accepted, Waiting: v.Waiting, Reason: v.Reason}, err
}

func (a *API) registerActivate() {
	register(a, huma.Operation{
		OperationID: "activate", Method: http.MethodPost, Path: "/activations", Summary: "Enter an invitation code", Tags: []string{"Account"},
		Description: "A decision is final. Refused codes are limited by account, by client IP and overall: beyond a limit no code is checked, and the answer is the same for every code.",
	}, []jsonapi.Kind{tooManyCodes, underWay, keyReused}, a.activate)
}

// Membership says whether the account takes part.
type Membership struct {
	Entered bool `json:"entered"`
}

func (a *API) registerJoin() {
	register(a, huma.Operation{
		OperationID: "enter", Method: http.MethodPost, Path: "/membership", Summary: "Join the programme without a code", Tags: []string{"Account"},
		Description: "A repeat changes nothing, with or without an idempotency key.",
	}, nil, func(ctx context.Context, account int64, _ *IdempotencyKey) (Membership, error) {
		return Membership{Entered: true}, a.service.JoinWithoutCode(ctx, account)
	})
}
