package auth

import (
	"context"
	"fmt"
	"net/http"

	"referral/models"
)

// Access is the access rule of a route: who may use it.
type Access string

// The access rules.
const (
	Anyone       Access = "anyone"         // without authentication
	SignedInPage Access = "signed-in-page" // by session; others are redirected to the sign-in
	SignedInAPI  Access = "signed-in-api"  // by session or bearer token; others get 401
)

// Route is a route of a site. Pattern is one of http.ServeMux, with the method. On a site
// for staff every route that is not for anyone names the roles that may use it.
type Route struct {
	Pattern string
	Access  Access
	Roles   []models.Role
	Handler http.Handler
}

// Validate refuses a route without an access rule, a pattern or a handler.
func (r Route) Validate() error {
	switch r.Access {
	case Anyone, SignedInPage, SignedInAPI:
	default:
		return fmt.Errorf("auth: route %q has no access rule (%q)", r.Pattern, r.Access)
	}
	if r.Pattern == "" || r.Handler == nil {
		return fmt.Errorf("auth: route %q needs a pattern and a handler", r.Pattern)
	}
	return nil
}

// Principal is who has been authenticated: a client or a member of staff.
type Principal struct {
	AccountID int64 // of a client; 0 for staff
	Staff     models.Staff
	Bearer    bool // authenticated by a token instead of a session
}

// mayUse reports whether a principal has one of the roles of a route, if it names any.
func (p *Principal) mayUse(route Route) bool {
	return len(route.Roles) == 0 || p.Staff.HasAny(route.Roles)
}

type principalKey struct{}

// WithPrincipal returns a context with a principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the principal of a request. ok is false for the access rule Anyone.
func PrincipalOf(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}
