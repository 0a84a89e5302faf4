package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"referral/web/middleware"
)

// protect returns the handler of a route with its access rule enforced.
func (a *Authenticator) protect(route Route) http.Handler {
	var authenticate func(*http.Request) (Principal, error)
	switch route.Access {
	case Anyone:
		return route.Handler
	case SignedInPage:
		authenticate = a.bySession
	case SignedInAPI:
		authenticate = a.bySessionOrBearer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := authenticate(r)
		if err == nil && !p.mayUse(route) {
			err = errForbidden
		}
		if err != nil {
			a.reject(w, r, route.Access, err)
			return
		}
		route.Handler.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), p)))
	})
}

func (a *Authenticator) bySession(r *http.Request) (Principal, error) {
	if !a.Configured() {
		return Principal{}, errNotConfigured
	}
	s, err := a.session(r)
	if err != nil && !errors.Is(err, errUnauthenticated) && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", errStorage, err)
	}
	return Principal{AccountID: s.AccountID, Staff: s.Staff}, err
}

// bySessionOrBearer uses only the token if there is one: a cookie must not replace an
// invalid token.
func (a *Authenticator) bySessionOrBearer(r *http.Request) (Principal, error) {
	text, given := bearerOf(r)
	if !given {
		return a.bySession(r)
	}
	return a.bearer(r.Context(), text)
}

// reject answers a request that is not allowed. A page is shown after the sign-in. A form
// is not submitted again; its user is told that nothing has been done.
func (a *Authenticator) reject(w http.ResponseWriter, r *http.Request, access Access, err error) {
	if access != SignedInPage || !errors.Is(err, errUnauthenticated) {
		a.deny(w, r, err)
		return
	}
	a.metrics.rejected.WithLabelValues(errUnauthenticated.reason).Inc()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		http.Redirect(w, r, a.options.Base+a.signInTo(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	page := pageSessionEnded
	page.Link = a.signInTo(refererPath(r))
	a.answer(w, r, page)
}

// signInTo returns the path under Base of a sign-in that leads back to a page.
func (a *Authenticator) signInTo(back string) string {
	return SignInPath + "?" + url.Values{"return": {localPath(a.options.Base, back)}}.Encode()
}

// refererPath returns the page that a form was sent from; empty if it is unknown.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return ""
	}
	return u.RequestURI()
}

// deny answers a request that cannot be authenticated.
func (a *Authenticator) deny(w http.ResponseWriter, r *http.Request, err error) {
	f := errStorage
	errors.As(err, &f)
	a.metrics.rejected.WithLabelValues(f.reason).Inc()
	if f == errNotConfigured || f == errProviderUnavailable {
		middleware.SuppressLog(r.Context()) // logged once, not for every request
	}
	middleware.RecordError(r.Context(), err)
	a.answer(w, r, f.page)
}
