package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"referral/models"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/jsonapi"
)

// Prefix is the path under which the API is.
const Prefix = "/api/v1/finance"

// maxBody is more than any request needs, in bytes: a corrected message.
const maxBody = 2 * finance.MaxText

// API is the JSON API. Its routes are to be served by an auth.Authenticator.
type API struct {
	*jsonapi.API

	service *finance.Service
}

// New returns the API with its OpenAPI document.
func New(service *finance.Service) (*API, error) {
	a := &API{service: service, API: jsonapi.New(jsonapi.Options{
		Title: "Referral programme: finance and support",
		Description: "What the operator's staff see and do. Amounts are integers in minor units of their currency, signed as added to an invoice; " +
			"days are days of the programme's time zone; unknown fields are ignored. Each operation says which roles may use it.",
		Prefix: Prefix, Cookie: "__Host-referral-staff", MaxBody: maxBody, Problem: problemOf,
		ProblemType: reflect.TypeFor[Problem](),
	})}
	a.registerMonths()
	a.registerRegister()
	a.registerClients()
	a.registerQueue()
	a.registerJournal()
	a.registerProposals()
	a.registerRuns()
	a.registerInsight()
	a.registerWhatIf()
	return a, a.Finish()
}

// Who may look at what, as on the pages.
var (
	everyRole = models.Roles
	moneyRole = []models.Role{models.RoleFinance, models.RoleController, models.RoleAuditor}
)

// get is an operation that reads.
func get(id, path, summary, tag string, roles []models.Role, problems ...jsonapi.Kind) jsonapi.Operation {
	return operation(http.MethodGet, id, path, summary, tag, roles, problems)
}

// post is an operation that changes something.
func post(id, path, summary, tag string, roles []models.Role, problems ...jsonapi.Kind) jsonapi.Operation {
	return operation(http.MethodPost, id, path, summary, tag, roles, problems)
}

func operation(method, id, path, summary, tag string, roles []models.Role, problems []jsonapi.Kind) jsonapi.Operation {
	return jsonapi.Operation{
		Operation: huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Description: rolesText(roles), Tags: []string{tag}},
		Roles:     roles, Problems: problems,
	}
}

func rolesText(roles []models.Role) string {
	return "Roles: " + string((&models.Staff{Roles: roles}).Role()) + "."
}

var (
	notFound  = jsonapi.Kind{Status: http.StatusNotFound, Code: "not_found", Title: "There is no such month, client, invoice, document or proposal"}
	badFilter = jsonapi.Kind{Status: http.StatusBadRequest, Code: "bad_filter", Title: "The filter cannot be read"}
	refused   = jsonapi.Kind{Status: http.StatusConflict, Code: "refused", Title: "The act or the decision is not possible"}
)

// Problem is a problem with what only the staff's API knows.
type Problem struct {
	jsonapi.Problem
	Proposal int64 `json:"proposal,omitempty" example:"12" doc:"The proposal that stands against it, or that it is about"`
}

// proposalProblems is what stands against a proposal or its decision.
var proposalProblems = map[models.ProposalObstacle]jsonapi.Kind{
	models.ProposalUnknown:  notFound,
	models.ProposalPending:  {Status: http.StatusConflict, Code: "proposal_pending", Title: "The same act is proposed already"},
	models.ProposalDecided:  {Status: http.StatusConflict, Code: "proposal_decided", Title: "The proposal is not open any more"},
	models.ProposalOwn:      {Status: http.StatusConflict, Code: "proposal_own", Title: "Another person has to approve the proposal"},
	models.ProposalMismatch: {Status: http.StatusConflict, Code: "proposal_mismatch", Title: "The proposal is about another act"},
}

// problemOf converts the errors of the service.
func problemOf(err error) huma.StatusError {
	if text, ok := finance.Obstacle(err); ok {
		kind, number := refused, int64(0)
		var proposal *models.ProposalRefusal
		if errors.As(err, &proposal) {
			kind, number = proposalProblems[proposal.Why], proposal.Proposal
		}
		p := Problem{*jsonapi.NewProblem(kind), number}
		p.Detail = text
		return &p
	}
	switch {
	case errors.Is(err, finance.ErrUnknownAct):
		return jsonapi.NewProblem(notFound)
	case errors.Is(err, finance.ErrBadFilter):
		return jsonapi.NewProblem(badFilter)
	}
	return nil
}

// found is a problem unless something was found.
func found(ok bool, err error) error {
	if err == nil && !ok {
		return jsonapi.NewProblem(notFound)
	}
	return err
}

// each converts the values of a list, which is never nil.
func each[A, B any](values []A, convert func(*A) B) []B {
	converted := make([]B, len(values))
	for i := range values {
		converted[i] = convert(&values[i])
	}
	return converted
}

// register adds an operation of a member of staff.
func register[I, O any](a *API, op jsonapi.Operation, handle func(ctx context.Context, staff models.Staff, in *I) (O, error)) {
	jsonapi.Register(a.API, op, func(ctx context.Context, p auth.Principal, in *I) (O, error) { return handle(ctx, p.Staff, in) })
}
