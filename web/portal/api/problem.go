package api

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/middleware"
	"referral/web/portal"
)

// Problem is an error as RFC 9457 defines it. Programs should use code, which does
// not change; type is the same as a URI.
type Problem struct {
	Type   string         `json:"type,omitempty" format:"uri" example:"urn:referral:problem:too_many_wrong_codes" doc:"The kind of problem"`
	Code   string         `json:"code,omitempty" example:"too_many_wrong_codes" doc:"The kind in one word; may be missing from problems of a proxy in front of the API"`
	Title  string         `json:"title" doc:"The kind for people"`
	Status int            `json:"status" doc:"HTTP status"`
	Detail string         `json:"detail,omitempty" doc:"Details of this occurrence"`
	Errors []ProblemField `json:"errors,omitempty" nullable:"false" doc:"What is wrong with the request, by field"`

	wait time.Duration
}

// ProblemField is what is wrong with one field. Its value is not quoted.
type ProblemField struct {
	Location string `json:"location,omitempty" example:"body.code" doc:"The field"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// Error returns the title.
func (p *Problem) Error() string { return p.Title }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the content type of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns Retry-After, if waiting helps.
func (p *Problem) GetHeaders() http.Header {
	if p.wait <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.FormatInt(int64(math.Ceil(p.wait.Seconds())), 10)}}
}

// kind is a kind of problem.
type kind struct {
	status int
	code   string
	title  string
}

var (
	unauthorized   = kind{http.StatusUnauthorized, "unauthorized", "The request has no valid session or token"}
	crossSite      = kind{http.StatusForbidden, "cross_site", "The request comes from another site"}
	unknownAccount = kind{http.StatusNotFound, "unknown_account", "Nothing is known of the account yet"}
	unknownInvoice = kind{http.StatusNotFound, "unknown_invoice", "The account has no such invoice"}
	badCursor      = kind{http.StatusBadRequest, "bad_cursor", "The cursor is not one of this list"}
	tooManyCodes   = kind{http.StatusTooManyRequests, "too_many_wrong_codes", "Too many wrong codes; try again later"}
	keyReused      = kind{http.StatusUnprocessableEntity, "idempotency_key_reused", "The idempotency key was used for another request"}
	underWay       = kind{http.StatusConflict, "request_under_way", "A request with this idempotency key is being processed"}
	unavailable    = kind{http.StatusServiceUnavailable, "unavailable", "The service cannot answer at the moment"}
	cannotAnswer   = kind{http.StatusInternalServerError, "internal", "The service has failed"}
)

// refusals of an invitation.
var refusals = map[portal.InviteRefusal]kind{
	portal.InviteBadRecipient:   {http.StatusUnprocessableEntity, "bad_recipient", "The recipient is not an e-mail address, or not a mobile number of a permitted region"},
	portal.InvitePremiumNumber:  {http.StatusUnprocessableEntity, "premium_number", "Messages to the number are charged at a premium rate"},
	portal.InviteLookalike:      {http.StatusUnprocessableEntity, "lookalike", "The address looks like another one"},
	portal.InviteForeignLetters: {http.StatusUnprocessableEntity, "foreign_letters", "The part before the @ must be in Latin letters"},
	portal.InviteTooMany:        {http.StatusTooManyRequests, "too_many", "No more invitations today"},
	portal.InviteAlreadyInvited: {http.StatusTooManyRequests, "already_invited", "The recipient has been invited today"},
	portal.InviteOptedOut:       {http.StatusConflict, "opted_out", "The recipient has opted out of invitations"},
	portal.InviteNotPossible:    {http.StatusConflict, "not_possible", "The account cannot send invitations by this channel"},
}

// invalidRequest is the problems of a request that does not reach its operation.
var invalidRequest = map[int]kind{
	http.StatusBadRequest:            {http.StatusBadRequest, "bad_request", "The request cannot be read"},
	http.StatusRequestTimeout:        {http.StatusRequestTimeout, "too_slow", "The request did not arrive in time"},
	http.StatusRequestEntityTooLarge: {http.StatusRequestEntityTooLarge, "too_large", "The request is too large"},
	http.StatusUnsupportedMediaType:  {http.StatusUnsupportedMediaType, "not_json", "The request is not application/json"},
	http.StatusUnprocessableEntity:   {http.StatusUnprocessableEntity, "invalid", "The request does not match the schema"},
}

func problem(k kind) *Problem { return problemAfter(k, 0) }

// problemAfter is a problem with the time after which to try again.
func problemAfter(k kind, wait time.Duration) *Problem {
	return &Problem{Type: "urn:referral:problem:" + k.code, Code: k.code, Title: k.title, Status: k.status, wait: wait}
}

// problemOf converts an error. Clients are not told the details of an unexpected one,
// which is logged.
func problemOf(ctx context.Context, err error) error {
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
		return problemAfter(underWay, time.Second)
	}
	middleware.RecordError(ctx, err)
	return problemAfter(unavailable, 5*time.Second)
}

// asProblem converts the errors of huma. It leaves out the values that the client
// sent, so that no log on the way holds them.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	found, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	k, ok := invalidRequest[found.Status]
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

// problemResponses documents the problems of an operation.
func (a *API) problemResponses(method string, own []kind) map[string]*huma.Response {
	kinds := append([]kind{unauthorized, unavailable, cannotAnswer, invalidRequest[http.StatusUnprocessableEntity]}, own...)
	if method == http.MethodPost {
		kinds = append(kinds, crossSite) // package auth returns it
		kinds = slices.AppendSeq(kinds, maps.Values(invalidRequest))
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	responses := map[string]*huma.Response{}
	for _, k := range kinds {
		r := &huma.Response{
			Description: http.StatusText(k.status),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
		if k.status == http.StatusTooManyRequests || k.status == http.StatusServiceUnavailable || k == underWay {
			r.Headers = map[string]*huma.Param{"Retry-After": {Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds until the request may be repeated"}}
		}
		if before := responses[strconv.Itoa(k.status)]; before == nil || before.Headers == nil {
			responses[strconv.Itoa(k.status)] = r
		}
	}
	return responses
}
