package jsonapi

import (
	"context"
	"maps"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/middleware"
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

// Kind is a kind of problem.
type Kind struct {
	Status int
	Code   string // in one word; it does not change
	Title  string // for people
	Wait   bool   // its problems say when to try again
}

var (
	unauthorized = Kind{Status: http.StatusUnauthorized, Code: "unauthorized", Title: "The request has no valid session or token"}
	forbidden    = Kind{Status: http.StatusForbidden, Code: "forbidden", Title: "The roles of the person do not allow it"}
	crossSite    = Kind{Status: http.StatusForbidden, Code: "cross_site", Title: "The request comes from another site"}
	unavailable  = Kind{Status: http.StatusServiceUnavailable, Code: "unavailable", Title: "The service cannot answer at the moment"}
	cannotAnswer = Kind{Status: http.StatusInternalServerError, Code: "internal", Title: "The service has failed"}
)

// invalidRequest is the problems of a request that does not reach its operation.
var invalidRequest = map[int]Kind{
	http.StatusBadRequest:            {Status: http.StatusBadRequest, Code: "bad_request", Title: "The request cannot be read"},
	http.StatusRequestTimeout:        {Status: http.StatusRequestTimeout, Code: "too_slow", Title: "The request did not arrive in time"},
	http.StatusRequestEntityTooLarge: {Status: http.StatusRequestEntityTooLarge, Code: "too_large", Title: "The request is too large"},
	http.StatusUnsupportedMediaType:  {Status: http.StatusUnsupportedMediaType, Code: "not_json", Title: "The request is not application/json"},
	http.StatusUnprocessableEntity:   {Status: http.StatusUnprocessableEntity, Code: "invalid", Title: "The request does not match the schema"},
}

// NewProblem is a problem of a kind.
func NewProblem(k Kind) *Problem { return ProblemAfter(k, 0) }

// ProblemAfter is a problem with the time after which to try again.
func ProblemAfter(k Kind, wait time.Duration) *Problem {
	return &Problem{Type: "urn:referral:problem:" + k.Code, Code: k.Code, Title: k.Title, Status: k.Status, wait: wait}
}

// unexpected is the problem of an error that no operation has a kind for. Clients are not
// told its details, which are logged.
func unexpected(ctx context.Context, err error) *Problem {
	middleware.RecordError(ctx, err)
	return ProblemAfter(unavailable, 5*time.Second)
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
		k.Status = found.Status
	}
	p := NewProblem(k)
	for _, e := range found.Errors {
		if e != nil && ok {
			p.Errors = append(p.Errors, ProblemField{Location: e.Location, Message: e.Message})
		}
	}
	return p, nil
}

// problemResponses documents the problems of an operation.
func (a *API) problemResponses(method string, roles bool, own []Kind) map[string]*huma.Response {
	kinds := append([]Kind{unauthorized, unavailable, cannotAnswer, invalidRequest[http.StatusUnprocessableEntity]}, own...)
	if roles {
		kinds = append(kinds, forbidden) // package auth returns it
	}
	if method == http.MethodPost {
		kinds = append(kinds, crossSite) // package auth returns it
		kinds = slices.AppendSeq(kinds, maps.Values(invalidRequest))
	}
	kind := reflect.TypeFor[Problem]()
	if a.o.ProblemType != nil {
		kind = a.o.ProblemType
	}
	schema := a.huma.OpenAPI().Components.Schemas.Schema(kind, true, "Problem")
	responses := map[string]*huma.Response{}
	for _, k := range kinds {
		r := &huma.Response{
			Description: http.StatusText(k.Status),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
		if k.Status == http.StatusTooManyRequests || k.Status == http.StatusServiceUnavailable || k.Wait {
			r.Headers = map[string]*huma.Param{"Retry-After": {Schema: &huma.Schema{Type: huma.TypeInteger}, Description: "Seconds until the request may be repeated"}}
		}
		if before := responses[strconv.Itoa(k.Status)]; before == nil || before.Headers == nil {
			responses[strconv.Itoa(k.Status)] = r
		}
	}
	return responses
}
