package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	strictjson "github.com/go-json-experiment/json"

	"referral/web/auth"
	"referral/web/portal"
)

// Prefix is the path under which the API is.
const Prefix = "/api/v1"

// maxBody is more than any request needs, in bytes.
const maxBody = 8 << 10

// API is the JSON API. Its routes are to be served by an auth.Authenticator.
type API struct {
	service portal.Service
	proxies portal.Proxies
	huma    huma.API
	mux     *http.ServeMux
	routes  []auth.Route
	yaml    []byte
	json    []byte
}

// New returns the API with its OpenAPI document. proxies is trusted for the client IP.
func New(service portal.Service, proxies portal.Proxies) (*API, error) {
	a := &API{service: service, proxies: proxies, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, config())
	a.registerOverview()
	a.registerActivate()
	a.registerJoin()
	a.registerLists()
	a.registerExplanation()
	a.registerInvite()
	// Of huma; every problem here is a Problem.
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} {
		delete(a.huma.OpenAPI().Components.Schemas.Map(), unused)
	}
	return a, a.document()
}

// strictJSON refuses JSON that encoding/json would change: it replaces invalid UTF-8
// and unpaired surrogates by U+FFFD, takes the last of two fields with one name, and
// ignores the case of names.
var strictJSON = huma.Format{
	Marshal:   huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error { return strictjson.Unmarshal(data, v) },
}

func config() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Referral programme: personal account", Version: "1",
				Description: "What a client of the referral programme sees and can do. Amounts are integers in minor units of their currency; " +
					"days are days of the programme's time zone; unknown fields are ignored. " +
					"The account is that of the signed-in client, or of the token.",
			},
			Servers:  []*huma.Server{{URL: "/"}},
			Security: []map[string][]string{{"bearer": {}}, {"session": {}}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer":  {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token of the operator's OpenID provider."},
					"session": {Type: "apiKey", In: "cookie", Name: "__Host-referral", Description: "The session of the pages."},
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

// document encodes the OpenAPI document once: nothing is added to the API later.
func (a *API) document() (err error) {
	if a.yaml, err = a.huma.OpenAPI().YAML(); err != nil {
		return fmt.Errorf("api: writing the OpenAPI document: %w", err)
	}
	if a.json, err = json.MarshalIndent(a.huma.OpenAPI(), "", "  "); err != nil {
		return fmt.Errorf("api: writing the OpenAPI document: %w", err)
	}
	return nil
}

// Document is the OpenAPI document as YAML.
func (a *API) Document() []byte { return a.yaml }

// Routes returns the routes with their access rules. The OpenAPI document is public:
// it holds nothing of any account.
func (a *API) Routes() []auth.Route {
	return append([]auth.Route{
		{Pattern: "GET " + Prefix + "/openapi.yaml", Access: auth.Anyone, Handler: serveDocument("application/openapi+yaml", a.yaml)},
		{Pattern: "GET " + Prefix + "/openapi.json", Access: auth.Anyone, Handler: serveDocument("application/openapi+json", a.json)},
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

// register adds an operation on the account of the request. problems are those it has
// beyond the ones of every operation.
func register[I, O any](a *API, op huma.Operation, problems []kind, handle func(ctx context.Context, account int64, in *I) (O, error)) {
	op.MaxBodyBytes = maxBody
	op.Responses = a.problemResponses(op.Method, problems)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*response[O], error) {
		principal, ok := auth.PrincipalOf(ctx)
		if !ok {
			return nil, problem(unauthorized)
		}
		out, err := handle(ctx, principal.AccountID, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return &response[O]{out}, nil
	})
	a.routes = append(a.routes, auth.Route{Pattern: op.Method + " " + op.Path, Access: auth.SignedInAPI, Handler: a.handler()})
}

type clientIPKey struct{}

// handler passes the client IP of a request on to its operation. Answers must not be
// cached.
func (a *API) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientIPKey{}, a.proxies.ClientIP(r))))
	})
}

func clientIP(ctx context.Context) string {
	ip, _ := ctx.Value(clientIPKey{}).(string)
	return ip
}
