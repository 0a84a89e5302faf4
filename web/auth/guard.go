package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"referral/models"
	"referral/web/middleware"
)

var (
	// errNotConfigured: there is no OpenID provider in the configuration.
	errNotConfigured = errors.New("sign-in is not configured")
	// errStorage: the sessions cannot be looked up.
	errStorage = errors.New("the sessions cannot be reached")
)

// protect returns the handler of a route with its access rule enforced.
func (a *Authenticator) protect(route Route) http.Handler {
	var authenticate func(*http.Request) (Principal, error)
	switch route.Access {
	case Anyone:
		return route.Handler
	case ClientPage:
		authenticate = a.bySession
	case ClientAPI:
		authenticate = a.bySessionOrBearer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := authenticate(r)
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
	return principalOfSession(a.session(r))
}

// bySessionOrBearer uses the token alone if there is one: a cookie must not make up
// for an invalid token.
func (a *Authenticator) bySessionOrBearer(r *http.Request) (Principal, error) {
	text, given := bearerOf(r)
	if !given {
		return a.bySession(r)
	}
	account, err := a.bearer(r.Context(), text)
	return Principal{AccountID: account, Bearer: true}, err
}

func principalOfSession(s models.Session, err error) (Principal, error) {
	if err != nil && !errors.Is(err, errUnauthenticated) && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", errStorage, err)
	}
	return Principal{AccountID: s.AccountID}, err
}

// reject answers a request that is not allowed. A page is shown after the sign-in; a
// form is not submitted again, but the client is told that nothing has been done.
func (a *Authenticator) reject(w http.ResponseWriter, r *http.Request, access Access, err error) {
	unauthenticated := errors.Is(err, errUnauthenticated)
	switch {
	case unauthenticated && access == ClientPage && isSafe(r):
		a.metrics.rejected.WithLabelValues(reasonUnauthenticated).Inc()
		http.Redirect(w, r, signInTo(r.URL.RequestURI()), http.StatusSeeOther)
	case unauthenticated && access == ClientPage:
		a.metrics.rejected.WithLabelValues(reasonUnauthenticated).Inc()
		page := pageSessionEnded
		page.Link = signInTo(refererPath(r))
		a.answer(w, r, page)
	default:
		a.deny(w, r, err)
	}
}

func isSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func signInTo(back string) string {
	return SignInPath + "?" + url.Values{"return": {localPath(back)}}.Encode()
}

// refererPath is the page that a form was sent from.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return HomePath
	}
	return u.RequestURI()
}

// deny answers a request that cannot be authenticated.
func (a *Authenticator) deny(w http.ResponseWriter, r *http.Request, err error) {
	reason, page := reasonStorage, pageStorage
	switch {
	case errors.Is(err, errUnauthenticated):
		reason, page = reasonUnauthenticated, pageUnauthenticated
	case errors.Is(err, errBadToken):
		reason, page = reasonBadToken, pageBadToken
	case errors.Is(err, errNotConfigured):
		reason, page = reasonNotConfigured, pageNotConfigured
	case errors.Is(err, errProviderUnavailable):
		reason, page = reasonProviderUnavailable, pageProviderUnavailable
	case errors.Is(err, errCrossSite):
		reason, page = reasonCrossSite, pageCrossSite
	}
	a.metrics.rejected.WithLabelValues(reason).Inc()
	if errors.Is(err, errNotConfigured) || errors.Is(err, errProviderUnavailable) {
		middleware.SuppressLog(r.Context()) // it has been logged once, not for every request
	}
	middleware.RecordError(r.Context(), err)
	a.answer(w, r, page)
}
