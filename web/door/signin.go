package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// beginSignIn sends the browser to the provider.
func (d *Door) beginSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := d.reach()
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	query := r.URL.Query()
	begun, err := newPending(d.o.Random, d.o.Now(), localPath(query.Get("return")))
	if err != nil {
		NoteError(r.Context(), fmt.Errorf("drawing a secret: %w", err))
		d.answer(w, r, noticeBroken)
		return
	}
	d.setPendings(w, append([]pending{begun}, d.pendings(r)...))
	more := []oauth2.AuthCodeOption{
		oidc.Nonce(begun.nonce), oauth2.S256ChallengeOption(begun.verifier), oauth2.SetAuthURLParam("ui_locales", "ru"),
	}
	if query.Get("switch") != "" { // to somebody else than the provider would let in by itself
		more = append(more, oauth2.SetAuthURLParam("prompt", "login"))
	}
	http.Redirect(w, r, p.oauth.AuthCodeURL(begun.state, more...), http.StatusSeeOther)
}

// endSignIn takes the browser back from the provider.
func (d *Door) endSignIn(w http.ResponseWriter, r *http.Request) {
	p, err := d.reach()
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	all, query := d.pendings(r), r.URL.Query()
	i := slices.IndexFunc(all, func(p pending) bool { return p.is(query.Get("state")) })
	if i < 0 {
		d.strayReturn(w, r)
		return
	}
	begun := all[i]
	d.setPendings(w, slices.Delete(all, i, i+1)) // it comes back once
	account, idToken, err := d.identify(r, p, &begun)
	if err == nil {
		err = d.admit(w, r, account, idToken)
	}
	if err != nil {
		d.failSignIn(w, r, err)
		return
	}
	d.metrics.signIns.WithLabelValues(resultIn).Inc()
	http.Redirect(w, r, begun.backTo, http.StatusSeeOther)
}

// strayReturn is one that this browser has not begun: a bookmark, a second try,
// or somebody who wants it to be somebody else.
func (d *Door) strayReturn(w http.ResponseWriter, r *http.Request) {
	if _, err := d.session(r); err == nil {
		http.Redirect(w, r, HomePath, http.StatusSeeOther)
		return
	}
	d.metrics.signIns.WithLabelValues(resultStray).Inc()
	d.answer(w, r, noticeStray)
}

var (
	errDeclined = errors.New("the provider let nobody in")
	errBusy     = errors.New("too many sign-ins at once")
)

// identify is the account that the provider vouches for.
func (d *Door) identify(r *http.Request, p *provider, begun *pending) (account int64, idToken string, err error) {
	query := r.URL.Query()
	issuer := query.Get("iss") // RFC 9207
	if query.Get("error") != "" || query.Get("code") == "" || issuer != "" && issuer != d.o.SignIn.Issuer {
		return 0, "", errDeclined
	}
	idToken, err = d.exchange(r.Context(), p, query.Get("code"), begun.verifier)
	if err != nil {
		return 0, "", err
	}
	verified, err := verify(r.Context(), p.idTokens, idToken)
	if err != nil {
		return 0, "", err
	}
	var party struct {
		Authorized string `json:"azp"`
	}
	if err := verified.Claims(&party); err != nil {
		return 0, "", fmt.Errorf("reading the ID token: %w", err)
	}
	if verified.Nonce != begun.nonce || party.Authorized != "" && party.Authorized != d.o.SignIn.ClientID {
		return 0, "", errors.New("the ID token is of another sign-in")
	}
	account, err = accountOf(verified, d.o.SignIn.AccountClaim)
	return account, idToken, err
}

// exchange gives a code for an ID token.
func (d *Door) exchange(ctx context.Context, p *provider, code, verifier string) (string, error) {
	select {
	case d.exchanges <- struct{}{}:
		defer func() { <-d.exchanges }()
	default:
		return "", errBusy
	}
	got, err := p.oauth.Exchange(oidc.ClientContext(ctx, d.client), code, oauth2.VerifierOption(verifier))
	// The library's error quotes the provider's answer: of it, only the code is told.
	if no := (*oauth2.RetrieveError)(nil); errors.As(err, &no) {
		return "", fmt.Errorf("the provider refused the code: %s", shortCode(no.ErrorCode))
	}
	if err != nil {
		return "", fmt.Errorf("exchanging the code: %w", err)
	}
	idToken, ok := got.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider gave no ID token")
	}
	return idToken, nil
}

// shortCode is an OAuth error code, as far as it looks like one.
func shortCode(code string) string {
	strange := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }
	if code == "" || len(code) > 40 || strings.ContainsFunc(code, strange) {
		return "without a reason"
	}
	return code
}

// admit opens a session. The one that the browser had, somebody's else perhaps,
// ends with it.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, account int64, idToken string) error {
	if old, ok := d.tokenOf(r); ok {
		if _, _, err := d.o.Sessions.CloseSession(r.Context(), old.id()); err != nil {
			return fmt.Errorf("%w: %w", errStorage, err)
		}
	}
	if err := d.open(r.Context(), w, account, idToken); err != nil {
		return fmt.Errorf("%w: %w", errStorage, err)
	}
	return nil
}

// failSignIn says why nobody was let in. What only an attack or a wrong set-up
// can bring about is logged, without what was shown.
func (d *Door) failSignIn(w http.ResponseWriter, r *http.Request, err error) {
	result, notice := resultRefused, noticeRefused
	switch {
	case errors.Is(err, errDeclined):
		result, notice = resultDeclined, noticeDeclined
	case errors.Is(err, errNoAccount):
		result, notice = resultNoAccount, noticeNoAccount
	case errors.Is(err, errBusy):
		result, notice = resultBusy, noticeBusy
	case errors.Is(err, errAway):
		result, notice = reasonAway, noticeAway
	case errors.Is(err, errStorage):
		result, notice = reasonStorage, noticeStorage
	default:
		d.log.Warn("a sign-in was refused", "error", err)
	}
	d.metrics.signIns.WithLabelValues(result).Inc()
	NoteError(r.Context(), err)
	d.answer(w, r, notice)
}
