package auth

import (
	"context"
	"fmt"
	"net/http"
)

// Access is the access rule of a route: who may use it.
type Access string

// The access rules.
const (
	Anyone     Access = "anyone"      // without authentication
	ClientPage Access = "client-page" // a signed-in client; others are sent to sign in
	ClientAPI  Access = "client-api"  // a signed-in client or a bearer token; others get 401
)

// Route is a route of the personal account. Pattern is one of http.ServeMux, with the
// method.
type Route struct {
	Pattern string
	Access  Access
	Handler http.Handler
}

// Validate refuses a route without an access rule, a pattern or a handler.
func (r Route) Validate() error {
	switch r.Access {
	case Anyone, ClientPage, ClientAPI:
	default:
		return fmt.Errorf("auth: route %q has no rule that says who may come in (%q)", r.Pattern, r.Access)
	}
	if r.Pattern == "" || r.Handler == nil {
		return fmt.Errorf("auth: route %q needs a pattern and a handler", r.Pattern)
	}
	return nil
}

// Principal is the authenticated client of a request.
type Principal struct {
	AccountID int64
	Bearer    bool // authenticated by a token instead of a session
}

type principalKey struct{}

// WithPrincipal returns a context with a principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal of a request. It is set in every handler with the
// access ClientPage or ClientAPI; ok is false elsewhere.
func PrincipalOf(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}
