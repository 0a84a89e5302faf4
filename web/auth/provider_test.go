package auth_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"referral/internal/demo/fakeoidc"
	"referral/internal/sleep"
	"referral/internal/subprocess"
	"referral/web/auth"
	"referral/web/auth/authtest"
)

// While the provider is unavailable, sign-ins and tokens get 503, and sessions stay
// valid. The authenticator reconnects by itself.
func TestUnavailableProvider(t *testing.T) {
	address, err := subprocess.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	r := rig(t, authtest.Options{Change: func(o *auth.Options) { o.SignIn.Issuer = "http://" + address }})
	browser := r.Browser()
	set(t, r, browser, r.Session(885, time.Hour))
	token := func() *http.Request {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/api/v1/standing", nil)
		q.RequestURI = ""
		q.Header.Set("Authorization", "Bearer x.y.z")
		return q
	}
	wantAnswer(t, r.Get(r.Browser(), "/referral"), http.StatusServiceUnavailable, "Служба входа сейчас не отвечает")
	wantAnswer(t, r.Get(r.Browser(), authtest.CallbackPath+"?code=x&state=y"), http.StatusServiceUnavailable, "Служба входа сейчас не отвечает")
	wantAnswer(t, r.Get(browser, "/referral"), http.StatusOK, "client 885")
	answer, err := http.DefaultClient.Do(token())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a token is answered %d %v", answer.StatusCode, answer.Header)
	}
	wantAnswer(t, r.Post(browser, authtest.SignOutPath, nil), http.StatusOK, "Вы вышли")
	const unreachable = "the OpenID provider cannot be reached"
	deadline, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	for !strings.Contains(r.Log.String(), unreachable) && sleep.For(deadline, 5*time.Millisecond) {
	}
	if n := strings.Count(r.Log.String(), "level\":\"ERROR"); n != 1 || !strings.Contains(r.Log.String(), unreachable) {
		t.Errorf("%d errors logged:\n%s", n, r.Log)
	}

	provider, err := fakeoidc.Start(t.Context(), fakeoidc.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = provider.Stop() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for r.Get(&http.Client{CheckRedirect: stay}, authtest.SignInPath).Status != http.StatusSeeOther {
		if ctx.Err() != nil {
			t.Fatal("the provider is not found again")
		}
	}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Without a configured provider, routes that need a principal answer 503; others work.
func TestSignInIsNotConfigured(t *testing.T) {
	r := rig(t, authtest.Options{Change: func(o *auth.Options) { o.SignIn, o.PublicURL = auth.SignIn{}, "http://10.0.0.1:80" }})
	browser := r.Browser()
	set(t, r, browser, r.Session(885, time.Hour))
	for _, path := range []string{"/referral", "/referral/friends/1", "/api/v1/standing", authtest.SignInPath, authtest.CallbackPath} {
		wantAnswer(t, r.Get(browser, path), http.StatusServiceUnavailable, "Вход пока не настроен")
	}
	wantAnswer(t, r.Post(browser, "/referral/join", nil), http.StatusServiceUnavailable, "Вход пока не настроен")
	wantAnswer(t, r.Get(browser, "/referral/about"), http.StatusOK, "client 0")
	wantAnswer(t, r.Get(browser, authtest.SignedOutPath), http.StatusOK, "Вы вышли")
	if log := r.Log.String(); strings.Count(log, "\n") > 1 {
		t.Errorf("logged:\n%s", log)
	}
}

func TestTokenWithoutAnAccount(t *testing.T) {
	r := rig(t, authtest.Options{Change: func(o *auth.Options) { o.SignIn.AccountClaim = "sub" }}) // "client-885"
	browser := r.Browser()
	wantAnswer(t, r.SignIn(browser, 885, ""), http.StatusForbidden, "не привязана Корпоративная АТС", "switch=1")
	if cookieOf(t, r, browser) != "" {
		t.Error("signed in without an account")
	}
	again := r.Get(&http.Client{CheckRedirect: stay}, authtest.SignInPath+"?switch=1")
	if to := again.Header.Get("Location"); !strings.Contains(to, "prompt=login") {
		t.Errorf("led to %s", to)
	}
}

// fakeProvider is a provider whose token answers are written by a test. It signs with the
// keys of fakeoidc.
type fakeProvider struct {
	*httptest.Server
	provider *fakeoidc.Provider
	nonce    atomic.Pointer[string]
	keys     atomic.Int64 // how often they were asked for
	answer   func(w http.ResponseWriter, nonce string)
}

func newFakeProvider(t *testing.T) *fakeProvider {
	t.Helper()
	provider, err := fakeoidc.Start(t.Context(), fakeoidc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeProvider{provider: provider}
	mux := http.NewServeMux()
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() { f.Close(); _ = provider.Stop() })
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{
			"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		nonce := q.Get("nonce")
		f.nonce.Store(&nonce)
		http.Redirect(w, r, q.Get("redirect_uri")+"?code=c&"+url.Values{"state": {q.Get("state")}}.Encode()+r.URL.Fragment, http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) { f.answer(w, *f.nonce.Load()) })
	mux.HandleFunc("/keys", f.passKeys)
	return f
}

// passKeys fetches the real provider's keys: the authenticator follows no redirect.
func (f *fakeProvider) passKeys(w http.ResponseWriter, _ *http.Request) {
	f.keys.Add(1)
	answer, err := http.Get(f.provider.Issuer() + "/keys")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, answer.Body)
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// idToken is a valid token, changed by options.
func (f *fakeProvider) idToken(nonce string, twists ...fakeoidc.TokenOption) string {
	good := []fakeoidc.TokenOption{fakeoidc.WithClaim("iss", f.URL), fakeoidc.WithAudience("referral"), fakeoidc.WithClaim("nonce", nonce)}
	return f.provider.Token(885, append(good, twists...)...)
}

func (f *fakeProvider) rig(t *testing.T) *authtest.Rig {
	t.Helper()
	return rig(t, authtest.Options{Change: func(o *auth.Options) {
		o.SignIn.Issuer, o.SignIn.ClientID = f.URL, "referral"
	}})
}

// An ID token must be signed, unexpired, for this client and for this sign-in.
func TestIDTokens(t *testing.T) {
	f := newFakeProvider(t)
	r := f.rig(t)
	for name, c := range map[string]struct {
		twist  fakeoidc.TokenOption
		status int
	}{
		"as it should be":            {fakeoidc.WithClaim("azp", "referral"), http.StatusOK},
		"the account as a text":      {fakeoidc.WithClaim("account_id", "885"), http.StatusOK},
		"several audiences":          {fakeoidc.WithAudience("referral", "others"), http.StatusOK},
		"another nonce":              {fakeoidc.WithClaim("nonce", "x"), http.StatusForbidden},
		"no nonce":                   {fakeoidc.WithClaim("nonce", nil), http.StatusForbidden},
		"another audience":           {fakeoidc.WithAudience("others"), http.StatusForbidden},
		"meant for another party":    {fakeoidc.WithClaim("azp", "others"), http.StatusForbidden},
		"another issuer":             {fakeoidc.WithClaim("iss", "https://id.example"), http.StatusForbidden},
		"expired":                    {fakeoidc.Expired, http.StatusForbidden},
		"without an end":             {fakeoidc.WithClaim("exp", nil), http.StatusForbidden},
		"another key":                {fakeoidc.SignedByOtherKey, http.StatusForbidden},
		"not signed":                 {fakeoidc.Unsigned, http.StatusForbidden},
		"signed by the public key":   {fakeoidc.SignedWithPublicKey, http.StatusForbidden},
		"no account":                 {fakeoidc.WithClaim("account_id", nil), http.StatusForbidden},
		"an account of another kind": {fakeoidc.WithClaim("account_id", map[string]int{"id": 885}), http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			f.answer = func(w http.ResponseWriter, nonce string) {
				write(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": f.idToken(nonce, c.twist)})
			}
			browser := r.Browser()
			landed := r.Get(browser, "/referral")
			if landed.Status != c.status || (cookieOf(t, r, browser) != "") != (c.status == http.StatusOK) {
				t.Errorf("status %d with cookie %q: %s", landed.Status, cookieOf(t, r, browser), landed.Body)
			}
		})
	}
}

func TestTokenAnswers(t *testing.T) {
	f := newFakeProvider(t)
	r := f.rig(t)
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		status int
		says   string
	}{
		"no ID token": {func(w http.ResponseWriter) { write(w, map[string]string{"access_token": "a"}) }, http.StatusForbidden, "не прошёл проверку"},
		"a bad code": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error": "invalid_grant", "error_description": "geheim"}`)
		}, http.StatusForbidden, "не прошёл проверку"},
		"out of order": {func(w http.ResponseWriter) { w.WriteHeader(502) }, http.StatusServiceUnavailable, "не отвечает"},
		"elsewhere":    {func(w http.ResponseWriter) { w.Header().Set("Location", "/keys"); w.WriteHeader(307) }, http.StatusForbidden, "не прошёл проверку"},
		"endless": {func(w http.ResponseWriter) {
			for range 40 {
				_, _ = w.Write(make([]byte, 64<<10))
			}
		}, http.StatusForbidden, "не прошёл проверку"},
	} {
		t.Run(name, func(t *testing.T) {
			f.answer = func(w http.ResponseWriter, _ string) { c.answer(w) }
			wantAnswer(t, r.Get(r.Browser(), "/referral"), c.status, c.says)
		})
	}
	if log := r.Log.String(); !strings.Contains(log, "invalid_grant") || strings.Contains(log, "geheim") {
		t.Errorf("the reason is not logged:\n%s", log)
	}
}

// Parameters of the return URL are not shown.
func TestDeclinedSignIn(t *testing.T) {
	f := newFakeProvider(t)
	r := f.rig(t)
	for _, way := range []string{"error=access_denied&error_description=%3Cscript%3E", "", "code=c&iss=https%3A%2F%2Fid.example"} {
		browser := r.Browser()
		begun := r.Get(&http.Client{Jar: browser.Jar, CheckRedirect: stay}, authtest.SignInPath)
		at, err := url.Parse(begun.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		got := r.Get(browser, authtest.CallbackPath+"?state="+at.Query().Get("state")+"&"+way)
		wantAnswer(t, got, http.StatusForbidden, "Вход не выполнен")
		if strings.Contains(got.Body, "script") {
			t.Errorf("shown: %s", got.Body)
		}
	}
}

// Tokens with unknown keys do not cause a request for keys each.
func TestRequestsForKeysAreThrottled(t *testing.T) {
	f := newFakeProvider(t)
	r := f.rig(t)
	before := f.keys.Load()
	bad := f.provider.Token(885, fakeoidc.WithClaim("iss", f.URL), fakeoidc.SignedByOtherKey)
	for range 200 {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/api/v1/standing", nil)
		q.RequestURI = ""
		q.Header.Set("Authorization", "Bearer "+bad)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusUnauthorized {
			t.Fatalf("status %d", answer.StatusCode)
		}
	}
	if asked := f.keys.Load() - before; asked < 1 || asked > 20 {
		t.Errorf("asked %d times", asked)
	}
}

// The ID token and the access token of a sign-in may have the same audience: only the
// access token is valid for the API.
func TestIDTokenIsNotValidForTheAPI(t *testing.T) {
	r := rig(t, authtest.Options{})
	config := oauth2.Config{
		ClientID: fakeoidc.ClientID, ClientSecret: r.Provider.ClientSecret(), RedirectURL: r.URL + authtest.CallbackPath, Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: r.Provider.Issuer() + "/authorize", TokenURL: r.Provider.Issuer() + "/oauth/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	verifier := oauth2.GenerateVerifier()
	browser := &http.Client{CheckRedirect: stay}
	page := r.Get(browser, config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", "n")))
	at, err := url.Parse(page.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	chosen := r.Post(browser, r.Provider.Issuer()+"/sign-in", url.Values{"id": {at.Query().Get("id")}, "account": {"885"}})
	back, err := url.Parse(r.Get(browser, chosen.Header.Get("Location")).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	idToken, _ := got.Extra("id_token").(string)
	for token, status := range map[string]int{got.AccessToken: http.StatusOK, idToken: http.StatusUnauthorized} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/api/v1/standing", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status || token == "" {
			t.Errorf("status %d, want %d", answer.StatusCode, status)
		}
	}
}
