package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"referral/web/auth"
	"referral/web/jsonapi"
	"referral/web/portal"
)

// Prefix is the path under which the API is.
const Prefix = "/api/v1"

// maxBody is more than any request needs, in bytes.
const maxBody = 8 << 10

// API is the JSON API. Its routes are to be served by an auth.Authenticator.
type API struct {
	*jsonapi.API

	service portal.Service
	proxies portal.Proxies
}

// New returns the API with its OpenAPI document. proxies is trusted for the client IP.
func New(service portal.Service, proxies portal.Proxies) (*API, error) {
	a := &API{service: service, proxies: proxies, API: jsonapi.New(jsonapi.Options{
		Title: "Referral programme: personal account",
		Description: "What a client of the referral programme sees and can do. Amounts are integers in minor units of their currency; " +
			"days are days of the programme's time zone; unknown fields are ignored. " +
			"The account is that of the signed-in client, or of the token.",
		Prefix: Prefix, Cookie: "__Host-referral", MaxBody: maxBody, Problem: problemOf,
	})}
	a.registerOverview()
	a.registerActivate()
	a.registerJoin()
	a.registerLists()
	a.registerExplanation()
	a.registerInvite()
	return a, a.Finish()
}

// Routes returns the routes with their access rules. The client IP of a request is
// passed on to its operation.
func (a *API) Routes() []auth.Route {
	routes := a.API.Routes()
	for i := range routes {
		routes[i].Handler = a.withClientIP(routes[i].Handler)
	}
	return routes
}

type clientIPKey struct{}

func (a *API) withClientIP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientIPKey{}, a.proxies.ClientIP(r))))
	})
}

func clientIP(ctx context.Context) string {
	ip, _ := ctx.Value(clientIPKey{}).(string)
	return ip
}

// register adds an operation on the account of the request. problems are those it has
// beyond the ones of every operation.
func register[I, O any](a *API, op huma.Operation, problems []jsonapi.Kind, handle func(ctx context.Context, account int64, in *I) (O, error)) {
	jsonapi.Register(a.API, jsonapi.Operation{Operation: op, Problems: problems}, func(ctx context.Context, p auth.Principal, in *I) (O, error) {
		return handle(ctx, p.AccountID, in)
	})
}
