package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/portal"
)

// Repeatable is a request that may be sent again without being done again.
type Repeatable struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"Chosen by the client for this request; for a day a repeat with it gets the answer of the first"`
}

// Activation is a friend's code as the client has it.
type Activation struct {
	Code string `json:"code" minLength:"1" maxLength:"64" example:"ABCD-EFGH-J" doc:"Blanks, hyphens and small letters do not matter"`
}

// ActivationResult is what became of a code.
type ActivationResult struct {
	Accepted bool   `json:"accepted"`
	Waiting  bool   `json:"waiting" doc:"For the account's registration; then it is judged"`
	Reason   string `json:"reason,omitempty" enum:"unknown_code,own_code,own_company,already_activated,window_closed" doc:"Why it was refused"`
}

type (
	activationIn struct {
		Repeatable
		Body Activation
	}
	decisionOut struct{ Body ActivationResult }
)

func (a *API) activations() {
	register(a, huma.Operation{
		OperationID: "activate", Method: http.MethodPost, Path: Prefix + "/activations", Summary: "Enter a friend's code", Tags: []string{"Account"},
		Description: "A decision is final. Refused codes are limited by account, by address and overall: beyond that nothing is looked at, and the answer is the same for every code.",
	}, []kind{tooManyCodes, underWay, keyReused}, func(ctx context.Context, account int64, in *activationIn) (*decisionOut, error) {
		v, err := a.o.Service.Activate(ctx, account, portal.Attempt{Code: in.Body.Code, Address: addressOf(ctx), Key: in.Key})
		if err != nil {
			return nil, err
		}
		if v.Wait > 0 {
			return nil, problemIn(tooManyCodes, v.Wait)
		}
		return &decisionOut{ActivationResult{v.Accepted, v.Waiting, string(v.Reason)}}, nil
	})
}

// Membership is whether the account takes part.
type Membership struct {
	Entered bool `json:"entered"`
}

type membershipOut struct{ Body Membership }

func (a *API) membership() {
	register(a, huma.Operation{
		OperationID: "enter", Method: http.MethodPost, Path: Prefix + "/membership", Summary: "Take part without a code", Tags: []string{"Account"},
		Description: "May be repeated, with an idempotency key or without: it changes nothing.",
	}, nil, func(ctx context.Context, account int64, _ *Repeatable) (*membershipOut, error) {
		if err := a.o.Service.EnterWithoutCode(ctx, account); err != nil {
			return nil, err
		}
		return &membershipOut{Membership{Entered: true}}, nil
	})
}
