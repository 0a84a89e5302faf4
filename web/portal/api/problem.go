package api

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/middleware"
	"referral/web/portal"
)

// Problem is what went wrong, as RFC 9457 has it. Programs go by code, which
// stays what it is; type is the same as a URI.
type Problem struct {
	Type   string         `json:"type,omitempty" format:"uri" example:"urn:referral:problem:too_many_wrong_codes" doc:"What kind of problem this is"`
	Code   string         `json:"code,omitempty" example:"too_many_wrong_codes" doc:"The same in a word; left out by whoever stands before the API"`
	Title  string         `json:"title" doc:"The same for people"`
	Status int            `json:"status" doc:"HTTP status"`
	Detail string         `json:"detail,omitempty" doc:"What it is this time"`
	Errors []ProblemField `json:"errors,omitempty" nullable:"false" doc:"What is wrong with the request, field by field"`

	wait time.Duration
}

// ProblemField is what is wrong with one field. The value is not repeated.
type ProblemField struct {
	Location string `json:"location,omitempty" example:"body.code" doc:"Where it is"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// Error is the title.
func (p *Problem) Error() string { return p.Title }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders says when to come again, where that helps.
func (p *Problem) GetHeaders() http.Header {
	if p.wait <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.FormatInt(int64(math.Ceil(p.wait.Seconds())), 10)}}
}

// kind is a sort of problem.
type kind struct {
	status int
	code   string
	title  string
}

var (
	unauthorized   = kind{http.StatusUnauthorized, "unauthorized", "Nobody has signed in"}
	crossSite      = kind{http.StatusForbidden, "cross_site", "Another site has sent the request"}
	unknownAccount = kind{http.StatusNotFound, "unknown_account", "Nothing is known of the account yet"}
	unknownInvoice = kind{http.StatusNotFound, "unknown_invoice", "The account has no such invoice"}
	badCursor      = kind{http.StatusBadRequest, "bad_cursor", "The cursor is none that this list has given"}
	tooManyCodes   = kind{http.StatusTooManyRequests, "too_many_wrong_codes", "Too many wrong codes; the next one is looked at later"}
	keyReused      = kind{http.StatusUnprocessableEntity, "idempotency_key_reused", "The idempotency key came before with another request"}
	underWay       = kind{http.StatusConflict, "request_under_way", "A request with this idempotency key is being answered"}
	unavailable    = kind{http.StatusServiceUnavailable, "unavailable", "The service cannot answer at the moment"}
	cannotAnswer   = kind{http.StatusInternalServerError, "internal", "The service has failed"}
)

// refusals of an invitation.
var refusals = map[portal.InviteRefusal]kind{
	portal.InviteBadRecipient:   {http.StatusUnprocessableEntity, "bad_recipient", "The recipient is no mail address, or no mobile number that is written to"},
	portal.InvitePremiumNumber:  {http.StatusUnprocessableEntity, "premium_number", "Messages to the number cost extra"},
	portal.InviteLookalike:      {http.StatusUnprocessableEntity, "lookalike", "The address may pass for another one"},
	portal.InviteForeignLetters: {http.StatusUnprocessableEntity, "foreign_letters", "What stands before the @ must be in Latin letters"},
	portal.InviteTooMany:        {http.StatusTooManyRequests, "too_many", "No more invitations today"},
	portal.InviteAlreadyInvited: {http.StatusTooManyRequests, "already_invited", "The recipient was invited today"},
	portal.InviteOptedOut:       {http.StatusConflict, "opted_out", "The recipient wants no invitations"},
	portal.InviteNotPossible:    {http.StatusConflict, "not_possible", "The account cannot invite in this way"},
}

// ofTheRequest is what is wrong with a request before anybody has looked at what
// it asks for.
var ofTheRequest = map[int]kind{
	http.StatusBadRequest:            {http.StatusBadRequest, "bad_request", "The request cannot be read"},
	http.StatusRequestTimeout:        {http.StatusRequestTimeout, "too_slow", "The request did not arrive in time"},
	http.StatusRequestEntityTooLarge: {http.StatusRequestEntityTooLarge, "too_large", "The request is too large"},
	http.StatusUnsupportedMediaType:  {http.StatusUnsupportedMediaType, "not_json", "The request is not application/json"},
	http.StatusUnprocessableEntity:   {http.StatusUnprocessableEntity, "invalid", "The request is not as the schema wants it"},
}

func problem(k kind) *Problem { return problemIn(k, 0) }

func problemIn(k kind, wait time.Duration) *Problem {
	return &Problem{Type: "urn:referral:problem:" + k.code, Code: k.code, Title: k.title, Status: k.status, wait: wait}
}

// problemOf is what a client is told about an error. What it is not told is the
// operator's, and goes to the log.
func (a *API) problemOf(ctx context.Context, err error) error {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, portal.ErrUnknownAccount):
		return problem(unknownAccount)
	case errors.Is(err, portal.ErrBadCursor):
		return problem(badCursor)
	case errors.Is(err, portal.ErrKeyReused):
		return problem(keyReused)
	case errors.Is(err, portal.ErrUnderWay):
		return problemIn(underWay, time.Second)
	}
	middleware.RecordError(ctx, err)
	return problemIn(unavailable, 5*time.Second)
}

// asProblem makes a Problem of what huma itself finds wrong. It leaves out the
// value: a client's own input is no secret to it, but it has no business in
// whatever keeps answers on the way.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	found, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	k, ok := ofTheRequest[found.Status]
	if !ok {
		k = cannotAnswer
		k.status = found.Status
	}
	p := problem(k)
	for _, e := range found.Errors {
		if e != nil && ok {
			p.Errors = append(p.Errors, ProblemField{Location: e.Location, Message: e.Message})
		}
	}
	return p, nil
}

// problemResponses is the answers of an operation that are problems.
func (a *API) problemResponses(method string, own []kind) map[string]*huma.Response {
	kinds := append([]kind{unauthorized, unavailable, cannotAnswer, ofTheRequest[http.StatusUnprocessableEntity]}, own...)
	if method == http.MethodPost {
		kinds = append(kinds, crossSite) // which package auth answers
		for status := range maps.Keys(ofTheRequest) {
			kinds = append(kinds, ofTheRequest[status])
		}
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflectType[Problem](), true, "Problem")
	responses := map[string]*huma.Response{}
	for _, k := range kinds {
		r := &huma.Response{
			Description: http.StatusText(k.status),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
		if k.status == http.StatusTooManyRequests || k.status == http.StatusServiceUnavailable || k == underWay {
			r.Headers = map[string]*huma.Param{"Retry-After": {Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds until it may be tried again"}}
		}
		if before := responses[strconv.Itoa(k.status)]; before == nil || before.Headers == nil {
			responses[strconv.Itoa(k.status)] = r
		}
	}
	return responses
}
