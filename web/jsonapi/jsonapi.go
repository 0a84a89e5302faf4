// Package jsonapi is what the JSON APIs of both sites share: operations whose OpenAPI
// document is generated from their types, problems as RFC 9457 has them, and the access
// rule of every route.
package jsonapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	strictjson "github.com/go-json-experiment/json"

	"referral/models"
	"referral/web/auth"
)

// Options says what an API is. All fields but the last are required.
type Options struct {
	Title, Description string
	Prefix             string // path under which the API is
	Cookie             string // that holds the session of the pages
	MaxBody            int64  // more than any request needs, in bytes
	// Problem converts the errors of the service; nil for one that nobody expected.
	Problem func(error) huma.StatusError
	// ProblemType is the type of those that say more than a Problem; nil for none.
	ProblemType reflect.Type
}

// API is a JSON API. Its routes are to be served by an auth.Authenticator.
type API struct {
	o      Options
	huma   huma.API
	mux    *http.ServeMux
	routes []auth.Route
	yaml   []byte
	json   []byte
}

// New returns an API without operations. Finish it when they are registered.
func New(o Options) *API {
	a := &API{o: o, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, config(&o))
	return a
}

// strictJSON refuses JSON that encoding/json would change: it replaces invalid UTF-8
// and unpaired surrogates by U+FFFD, takes the last of two fields with one name, and
// ignores the case of names.
var strictJSON = huma.Format{
	Marshal:   huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error { return strictjson.Unmarshal(data, v) },
}

func config(o *Options) huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: o.Title, Version: "1", Description: o.Description,
			},
			Servers:  []*huma.Server{{URL: "/"}},
			Security: []map[string][]string{{"bearer": {}}, {"session": {}}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer":  {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of the operator's OpenID provider."},
					"session": {Type: "apiKey", In: "cookie", Name: o.Cookie, Description: "The session of the pages."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{asProblem},
	}
	c.AllowAdditionalPropertiesByDefault = true
	return c
}

// Finish writes the OpenAPI document: nothing is added to the API later.
func (a *API) Finish() (err error) {
	// Of huma; every problem here is a Problem.
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} {
		delete(a.huma.OpenAPI().Components.Schemas.Map(), unused)
	}
	if a.yaml, err = a.huma.OpenAPI().YAML(); err != nil {
		return fmt.Errorf("writing the OpenAPI document of %s: %w", a.o.Prefix, err)
	}
	if a.json, err = json.MarshalIndent(a.huma.OpenAPI(), "", "  "); err != nil {
		return fmt.Errorf("writing the OpenAPI document of %s: %w", a.o.Prefix, err)
	}
	return nil
}

// Document is the OpenAPI document as YAML.
func (a *API) Document() []byte { return a.yaml }

// Routes returns the routes with their access rules. The OpenAPI document is public:
// it holds nothing of any account.
func (a *API) Routes() []auth.Route {
	return append([]auth.Route{
		{Pattern: "GET " + a.o.Prefix + "/openapi.yaml", Access: auth.Anyone, Handler: serveDocument("application/openapi+yaml", a.yaml)},
		{Pattern: "GET " + a.o.Prefix + "/openapi.json", Access: auth.Anyone, Handler: serveDocument("application/openapi+json", a.json)},
	}, a.routes...)
}

func serveDocument(kind string, content []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content) // an error means that the client has disconnected
	})
}

// response is the answer of an operation.
type response[T any] struct{ Body T }

// Operation is an operation of the API.
type Operation struct {
	huma.Operation // its path is below the prefix

	Roles    []models.Role // who of the staff may use it; none: anyone who is signed in
	Problems []Kind        // beyond those of every operation
}

// Register adds an operation.
func Register[I, O any](a *API, op Operation, handle func(ctx context.Context, p auth.Principal, in *I) (O, error)) {
	op.Path = a.o.Prefix + op.Path
	op.MaxBodyBytes = a.o.MaxBody
	op.Responses = a.problemResponses(op.Method, len(op.Roles) > 0, op.Problems)
	huma.Register(a.huma, op.Operation, func(ctx context.Context, in *I) (*response[O], error) {
		principal, ok := auth.PrincipalOf(ctx)
		if !ok {
			return nil, NewProblem(unauthorized)
		}
		out, err := handle(ctx, principal, in)
		if err != nil {
			return nil, a.problemOf(ctx, err)
		}
		return &response[O]{out}, nil
	})
	a.routes = append(a.routes, auth.Route{Pattern: op.Method + " " + op.Path, Access: auth.SignedInAPI, Roles: op.Roles, Handler: a.handler()})
}

func (a *API) problemOf(ctx context.Context, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	if known := a.o.Problem(err); known != nil {
		return known
	}
	return unexpected(ctx, err)
}

// handler passes a request on to its operation. Answers must not be cached.
func (a *API) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		a.mux.ServeHTTP(w, r)
	})
}
