package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Mux returns the routes with their access rules enforced, and the routes of signing
// in and out. It refuses a route without a rule or a method, and conflicting ones.
func (a *Authenticator) Mux(routes []Route) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, route := range slices.Concat(routes, a.ownRoutes()) {
		if err := a.addRoute(mux, route); err != nil {
			return nil, err
		}
	}
	return a.stack.Wrap(mux), nil
}

func (a *Authenticator) ownRoutes() []Route {
	base := a.options.Base
	return []Route{
		{Pattern: "GET " + base + SignInPath, Access: Anyone, Handler: http.HandlerFunc(a.beginSignIn)},
		{Pattern: "GET " + base + CallbackPath, Access: Anyone, Handler: http.HandlerFunc(a.endSignIn)},
		{Pattern: "POST " + base + SignOutPath, Access: Anyone, Handler: http.HandlerFunc(a.signOut)},
		{Pattern: "GET " + base + SignedOutPath, Access: Anyone, Handler: http.HandlerFunc(a.signedOut)},
		{Pattern: "GET /{$}", Access: Anyone, Handler: http.RedirectHandler(base, http.StatusSeeOther)},
	}
}

func (a *Authenticator) addRoute(mux *http.ServeMux, route Route) (err error) {
	if err := route.Validate(); err != nil {
		return err
	}
	if staff := a.options.SignIn.Staff != nil; (staff && route.Access != Anyone) != (len(route.Roles) > 0) {
		return fmt.Errorf("auth: route %q: a route of a site for staff names its roles unless it is for anyone, and no other route does", route.Pattern)
	}
	if method, _, ok := strings.Cut(route.Pattern, " "); !ok || method == "" || strings.ToUpper(method) != method {
		return fmt.Errorf("auth: route %q must name its method", route.Pattern)
	}
	defer func() {
		if r := recover(); r != nil { // ServeMux panics on an invalid pattern
			err = fmt.Errorf("auth: route %q: %v", route.Pattern, r)
		}
	}()
	mux.Handle(route.Pattern, a.protect(route))
	a.stack.ExpectRoute(route.Pattern)
	return nil
}
