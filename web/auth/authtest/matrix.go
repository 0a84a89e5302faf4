package authtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/internal/demo/fakeoidc"
	"referral/models"
	"referral/web/auth"
)

// Matrix is routes to be requested in every role.
type Matrix struct {
	Routes     []auth.Route
	Own, Other int64             // two accounts
	Paths      map[string]string // by pattern with wildcards: a path to something of Own
	Bodies     map[string]Body   // of requests, by pattern; an empty form by default
	// Secrets is texts that only Own may see. Each must be shown to Own on some route,
	// or the test would prove nothing.
	Secrets []string
}

// Body is the body of a request.
type Body struct{ ContentType, Text string }

// role is a kind of client.
type role struct {
	name         string
	authenticate func(*http.Request)
	account      int64 // on pages; 0 for none
	bearer       int64 // on the API by a token; 0 without a token, badToken with an invalid one
}

const badToken = -1

// Matrix requests every route in every role, and compares the answer with the access
// rule: who is admitted, as which principal, and how others are rejected.
func (r *Rig) Matrix(t *testing.T, m Matrix) {
	t.Helper()
	if len(m.Routes) == 0 || m.Own == m.Other || m.Own < 1 || m.Other < 1 {
		t.Fatal("a matrix needs routes and two accounts")
	}
	run := &matrixRun{rig: r, Matrix: m, shown: map[string]bool{}}
	run.build(t)
	for _, route := range m.Routes {
		t.Run(route.Pattern, func(t *testing.T) {
			for _, as := range r.roles(m) {
				t.Run(as.name, func(t *testing.T) { run.request(t, route, as) })
			}
			if method, _ := run.target(t, route); !safe(method) {
				run.crossSite(t, route)
			}
		})
	}
	for _, secret := range m.Secrets {
		if !run.shown[secret] {
			t.Errorf("%q was not shown to its own account on any route", secret)
		}
	}
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func (r *Rig) roles(m Matrix) []role {
	p := r.Provider
	cookie := func(value string) func(*http.Request) {
		return func(q *http.Request) { q.AddCookie(&http.Cookie{Name: Cookie, Value: value}) }
	}
	bearer := func(token string) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+token) }
	}
	own, ended := r.Session(m.Own, Idle), r.Session(m.Own, -time.Second)
	roles := []role{
		{name: "no session", authenticate: func(*http.Request) {}},
		{name: "own session", authenticate: cookie(own), account: m.Own},
		{name: "another's session", authenticate: cookie(r.Session(m.Other, Idle)), account: m.Other},
		{name: "an ended session", authenticate: cookie(ended)},
		{name: "an unknown session", authenticate: cookie(randomToken())},
		{name: "a truncated session", authenticate: cookie(own[:len(own)-2])},
		{name: "a cookie that is not a token", authenticate: cookie("' OR 1=1 --")},
		{name: "an account number as cookie", authenticate: cookie("885")},
		{name: "a token", authenticate: bearer(p.Token(m.Own)), bearer: m.Own},
		{name: "another's token", authenticate: bearer(p.Token(m.Other)), bearer: m.Other},
		{name: "a token with the type at+jwt", authenticate: bearer(p.Token(m.Own, fakeoidc.WithType("at+jwt"))), bearer: m.Own},
		{name: "own session and another's token", authenticate: both(cookie(own), bearer(p.Token(m.Other))), account: m.Own, bearer: m.Other},
		{name: "own session and a bad token", authenticate: both(cookie(own), bearer("x.y.z")), account: m.Own, bearer: badToken},
		{name: "a password", authenticate: func(q *http.Request) { q.SetBasicAuth("885", "885") }, bearer: badToken},
		{name: "two tokens", authenticate: both(bearer(p.Token(m.Own)), func(q *http.Request) { q.Header.Add("Authorization", "Bearer x") }), bearer: badToken},
	}
	for name, token := range r.badTokens(m.Own) {
		roles = append(roles, role{name: name, authenticate: bearer(token), bearer: badToken})
	}
	return roles
}

// badTokens returns invalid tokens by name.
func (r *Rig) badTokens(account int64) map[string]string {
	p := r.Provider
	claim := fakeoidc.AccountClaim
	return map[string]string{
		"no token":                     "",
		"an expired token":             p.Token(account, fakeoidc.Expired),
		"a token without expiry":       p.Token(account, fakeoidc.WithClaim("exp", nil)),
		"a token for another audience": p.Token(account, fakeoidc.WithAudience("somebody-else")),
		"a token without audience":     p.Token(account, fakeoidc.WithClaim("aud", nil)),
		"a token of another issuer":    p.Token(account, fakeoidc.WithClaim("iss", "https://id.example")),
		"a token by another key":       p.Token(account, fakeoidc.SignedByOtherKey),
		"an unsigned token":            p.Token(account, fakeoidc.Unsigned),
		"signed by the public key":     p.Token(account, fakeoidc.SignedWithPublicKey),
		"an ID token":                  p.Token(account, p.AsIDToken),
		"an ID token of another party": p.Token(account, fakeoidc.WithClaim("at_hash", "x"), fakeoidc.WithClaim("azp", "other")),
		"a token without account":      p.Token(account, fakeoidc.WithClaim(claim, nil)),
		"a token of account 0":         p.Token(account, fakeoidc.WithClaim(claim, 0)),
		"a token of a negative one":    p.Token(account, fakeoidc.WithClaim(claim, -account)),
		"a token of a fraction":        p.Token(account, fakeoidc.WithClaim(claim, 1.5)),
		"a token of a list":            p.Token(account, fakeoidc.WithClaim(claim, []int64{account})),
		"a token of an overflow":       p.Token(account, fakeoidc.WithClaim(claim, "9223372036854775808")),
		"a token of a word":            p.Token(account, fakeoidc.WithClaim(claim, " 1")),
		"a token by its subject alone": p.Token(account, fakeoidc.WithClaim(claim, nil), fakeoidc.WithClaim("sub", "885")),
	}
}

func both(a, b func(*http.Request)) func(*http.Request) {
	return func(q *http.Request) { a(q); b(q) }
}

// Session opens a session that lasts for a time, and returns the value of its cookie.
func (r *Rig) Session(account int64, lasts time.Duration) string {
	r.T.Helper()
	value := randomToken()
	token, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		r.T.Fatal(err)
	}
	now := r.Now()
	ends := now.Add(lasts)
	if err := r.Sessions.OpenSession(context.Background(), models.Session{
		ID: sha256.Sum256(token), AccountID: account, CreatedAt: now, SeenAt: now, ExpiresAt: ends, EndsAt: ends,
	}); err != nil {
		r.T.Fatal(err)
	}
	return value
}

func randomToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// matrixRun is the state of a matrix.
type matrixRun struct {
	Matrix
	rig     *Rig
	handler http.Handler
	shown   map[string]bool // secrets shown to Own

	// Of the last request.
	called        bool
	principal     auth.Principal
	authenticated bool
}

// build puts the routes behind the authenticator, and records the principal of each.
func (m *matrixRun) build(t *testing.T) {
	t.Helper()
	routes := slices.Clone(m.Routes)
	for i, route := range routes {
		routes[i].Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			m.called = true
			m.principal, m.authenticated = auth.PrincipalOf(q.Context())
			route.Handler.ServeHTTP(w, q)
		})
	}
	var err error
	if m.handler, err = m.rig.Auth.Mux(routes); err != nil {
		t.Fatal(err)
	}
}

func (m *matrixRun) target(t *testing.T, route auth.Route) (method, path string) {
	t.Helper()
	method, path, _ = strings.Cut(route.Pattern, " ")
	if given, ok := m.Paths[route.Pattern]; ok {
		path = given
	}
	path = strings.TrimSuffix(path, "{$}")
	if strings.Contains(path, "{") {
		t.Fatalf("Paths lacks %q", route.Pattern)
	}
	return method, path
}

func (m *matrixRun) send(t *testing.T, route auth.Route, authenticate func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	method, path := m.target(t, route)
	body, ok := m.Bodies[route.Pattern]
	if !ok {
		body.ContentType = "application/x-www-form-urlencoded"
	}
	request := httptest.NewRequestWithContext(t.Context(), method, m.rig.URL+path, strings.NewReader(body.Text))
	if !safe(method) {
		request.Header.Set("Content-Type", body.ContentType)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	authenticate(request)
	m.called, m.authenticated = false, false
	answer := httptest.NewRecorder()
	m.handler.ServeHTTP(answer, request)
	checkHeaders(t, answer)
	return answer
}

// request requests a route in a role.
func (m *matrixRun) request(t *testing.T, route auth.Route, as role) {
	t.Helper()
	answer := m.send(t, route, as.authenticate)
	account, byToken := as.account, false
	if route.Access == auth.SignedInAPI && as.bearer != 0 {
		account, byToken = max(as.bearer, 0), true
	}
	switch {
	case route.Access == auth.Anyone:
		if !m.called || m.authenticated {
			t.Errorf("admitted: %v, with a principal: %v; want admitted without one", m.called, m.authenticated)
		}
	case account != 0:
		if want := (auth.Principal{AccountID: account, Bearer: byToken}); !m.called || !m.authenticated || !reflect.DeepEqual(m.principal, want) {
			t.Fatalf("admitted: %v, as %+v; want %+v; the answer was %d %s", m.called, m.principal, want, answer.Code, answer.Body)
		}
	case m.called:
		t.Fatalf("admitted as %+v", m.principal)
	default:
		m.checkRejection(t, route, as, answer)
	}
	m.checkSecrets(t, account, answer)
}

func (m *matrixRun) checkSecrets(t *testing.T, account int64, answer *httptest.ResponseRecorder) {
	t.Helper()
	for _, secret := range m.Secrets {
		if !strings.Contains(answer.Body.String(), secret) {
			continue
		}
		if account != m.Own {
			t.Errorf("%q is shown to account %d", secret, account)
		}
		m.shown[secret] = m.shown[secret] || account == m.Own
	}
}

func (m *matrixRun) checkRejection(t *testing.T, route auth.Route, as role, answer *httptest.ResponseRecorder) {
	t.Helper()
	method, path := m.target(t, route)
	switch h := answer.Header(); {
	case route.Access == auth.SignedInAPI:
		want := `Bearer realm="referral"`
		if as.bearer == badToken {
			want += `, error="invalid_token"`
		}
		if answer.Code != http.StatusUnauthorized || h.Get("WWW-Authenticate") != want || h.Get("Content-Type") != "application/problem+json" {
			t.Errorf("got %d %v, want 401, %s and a problem", answer.Code, h, want)
		}
	case safe(method):
		want := SignInPath + "?" + url.Values{"return": {path}}.Encode()
		if answer.Code != http.StatusSeeOther || h.Get("Location") != want {
			t.Errorf("got %d to %s, want 303 to %s", answer.Code, h.Get("Location"), want)
		}
	case answer.Code != http.StatusUnauthorized || h.Get("Location") != "" || !strings.Contains(answer.Body.String(), SignInPath):
		t.Errorf("got %d %v, want 401 and a page that leads to the sign-in", answer.Code, h)
	}
}

// crossSite sends requests of a signed-in browser that another site has caused.
func (m *matrixRun) crossSite(t *testing.T, route auth.Route) {
	session := m.rig.Session(m.Own, Idle)
	for name, from := range map[string][2]string{
		"by another site":               {"cross-site", ""},
		"by another site of the domain": {"same-site", ""},
		"by another site, old":          {"", "https://evil.example"},
		"by a page of no origin, old":   {"", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := m.send(t, route, func(q *http.Request) {
				q.AddCookie(&http.Cookie{Name: Cookie, Value: session})
				q.Header.Del("Sec-Fetch-Site")
				if q.Header.Set("Sec-Fetch-Site", from[0]); from[0] == "" {
					q.Header.Del("Sec-Fetch-Site")
					q.Header.Set("Origin", from[1])
				}
			})
			if m.called || answer.Code != http.StatusForbidden {
				t.Errorf("admitted: %v, answer %d; want 403", m.called, answer.Code)
			}
		})
	}
}

func checkHeaders(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	h := answer.Header()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy allows too much: %s", policy)
	}
}
