package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"referral/web/middleware"
)

// beginSignIn redirects the browser to the provider.
func (a *Authenticator) beginSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := a.currentProvider()
	if err != nil {
		a.deny(w, r, err)
		return
	}
	query := r.URL.Query()
	begun := newPendingSignIn(a.options.Now(), localPath(a.options.Base, query.Get("return")))
	a.setPendingSignIns(w, append([]pendingSignIn{begun}, a.pendingSignIns(r)...))
	more := []oauth2.AuthCodeOption{
		oidc.Nonce(begun.nonce), oauth2.S256ChallengeOption(begun.verifier), oauth2.SetAuthURLParam("ui_locales", "ru"),
	}
	if query.Get("switch") != "" { // to another account than the one signed in at the provider
		more = append(more, oauth2.SetAuthURLParam("prompt", "login"))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(begun.state, more...), http.StatusSeeOther)
}

// endSignIn completes the sign-in when the provider redirects back.
func (a *Authenticator) endSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := a.currentProvider()
	if err != nil {
		a.deny(w, r, err)
		return
	}
	all, query := a.pendingSignIns(r), r.URL.Query()
	i := slices.IndexFunc(all, func(p pendingSignIn) bool { return p.is(query.Get("state")) })
	if i < 0 {
		a.unknownReturn(w, r)
		return
	}
	begun := all[i]
	a.setPendingSignIns(w, slices.Delete(all, i, i+1)) // it may return only once
	principal, idToken, err := a.identify(r, p, &begun)
	if err == nil {
		err = a.replaceSession(w, r, principal, idToken)
	}
	if err != nil {
		a.failSignIn(w, r, err)
		return
	}
	a.metrics.signIns.WithLabelValues(resultSignedIn).Inc()
	http.Redirect(w, r, begun.returnTo, http.StatusSeeOther)
}

// unknownReturn answers a return for which this browser has no pending sign-in: a
// bookmark, a repeat, or an attempt to sign it in to another account.
func (a *Authenticator) unknownReturn(w http.ResponseWriter, r *http.Request) {
	if _, err := a.session(r); err == nil {
		http.Redirect(w, r, a.options.Base, http.StatusSeeOther)
		return
	}
	a.metrics.signIns.WithLabelValues(errUnknownReturn.reason).Inc()
	a.answer(w, r, errUnknownReturn.page)
}

// identify returns the principal that the provider has authenticated.
func (a *Authenticator) identify(r *http.Request, p *provider, begun *pendingSignIn) (principal Principal, idToken string, err error) {
	query := r.URL.Query()
	issuer := query.Get("iss") // RFC 9207
	if query.Get("error") != "" || query.Get("code") == "" || issuer != "" && issuer != a.options.SignIn.Issuer {
		return principal, "", errDeclined
	}
	idToken, err = a.exchange(r.Context(), p, query.Get("code"), begun.verifier)
	if err != nil {
		return principal, "", err
	}
	verified, err := verify(r.Context(), p.idTokens, idToken)
	if err != nil {
		return principal, "", err
	}
	var party struct {
		Authorized string `json:"azp"`
	}
	if err := verified.Claims(&party); err != nil {
		return principal, "", fmt.Errorf("reading the ID token: %w", err)
	}
	if verified.Nonce != begun.nonce || party.Authorized != "" && party.Authorized != a.options.SignIn.ClientID {
		return principal, "", errors.New("the ID token belongs to another sign-in")
	}
	principal, err = a.principalOf(verified)
	return principal, idToken, err
}

// exchange exchanges a code for an ID token.
func (a *Authenticator) exchange(ctx context.Context, p *provider, code, verifier string) (string, error) {
	select {
	case a.exchanges <- struct{}{}:
		defer func() { <-a.exchanges }()
	default:
		return "", errTooManySignIns
	}
	client := p.oauth
	if a.options.ClientSecret != nil {
		client.ClientSecret = a.options.ClientSecret()
	}
	got, err := client.Exchange(oidc.ClientContext(ctx, a.client), code, oauth2.VerifierOption(verifier))
	// The error of the library quotes the answer of the provider.
	if no := (*oauth2.RetrieveError)(nil); errors.As(err, &no) {
		return "", fmt.Errorf("the provider refused the code: %s", shortCode(no.ErrorCode))
	}
	if err != nil {
		return "", fmt.Errorf("exchanging the code: %w", err)
	}
	idToken, ok := got.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider returned no ID token")
	}
	return idToken, nil
}

// shortCode returns an OAuth error code, if it looks like one.
func shortCode(code string) string {
	strange := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	if code == "" || len(code) > 40 || strings.ContainsFunc(code, strange) {
		return "unknown error"
	}
	return code
}

// replaceSession opens a session, and closes the one that the browser had, which may be
// of another principal.
func (a *Authenticator) replaceSession(w http.ResponseWriter, r *http.Request, p Principal, idToken string) error {
	if old, ok := a.tokenOf(r); ok {
		if _, _, err := a.options.Sessions.CloseSession(r.Context(), old.id()); err != nil {
			return fmt.Errorf("%w: %w", errStorage, err)
		}
	}
	if err := a.openSession(r.Context(), w, p, idToken); err != nil {
		return fmt.Errorf("%w: %w", errStorage, err)
	}
	return nil
}

// failSignIn answers a failed sign-in. A failure that only an attack or a wrong
// configuration can cause is logged, without the values received.
func (a *Authenticator) failSignIn(w http.ResponseWriter, r *http.Request, err error) {
	f := errRefused
	if !errors.As(err, &f) {
		a.log.WarnContext(r.Context(), "a sign-in was refused", "error", err)
	}
	a.metrics.signIns.WithLabelValues(f.reason).Inc()
	middleware.RecordError(r.Context(), err)
	a.answer(w, r, f.page)
}
