package authtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/internal/demo/fakeoidc"
	"referral/models"
	"referral/web/auth"
)

// Matrix is routes to be tried as everybody.
type Matrix struct {
	Routes []auth.Route
	// Own and Other are two clients.
	Own, Other int64
	// Paths says where a pattern with wildcards leads to something of Own's.
	Paths map[string]string
	// Bodies is what is sent to a pattern, with its content type; a form by default.
	Bodies map[string]Body
	// Secrets is texts that nobody but Own may see on any route. Each must be seen
	// by Own on some route, or trying whether others see it would prove nothing.
	Secrets []string
}

// Body is what a request brings.
type Body struct{ ContentType, Text string }

// role is a kind of client.
type role struct {
	name    string
	come    func(*http.Request)
	account int64 // who that is for a page; 0 for nobody
	bearer  int64 // for the API by a token; 0 for nobody, and badToken when one is shown in vain
}

const badToken = -1

// Matrix tries every route as everybody, and holds what happens against the rule:
// who is let in, as whom, and what the others are told.
func (r *Rig) Matrix(t *testing.T, m Matrix) {
	t.Helper()
	if len(m.Routes) == 0 || m.Own == m.Other || m.Own < 1 || m.Other < 1 {
		t.Fatal("a matrix needs routes and two clients")
	}
	try := &trial{rig: r, Matrix: m, leaks: map[string]bool{}}
	try.build(t)
	for _, route := range m.Routes {
		t.Run(route.Pattern, func(t *testing.T) {
			for _, who := range r.roles(m) {
				t.Run(who.name, func(t *testing.T) { try.as(t, route, who) })
			}
			if method, _ := try.target(t, route); !safe(method) {
				try.crossSite(t, route)
			}
		})
	}
	for _, secret := range m.Secrets {
		if !try.leaks[secret] {
			t.Errorf("%q was not shown to the client itself on any route: that nobody else saw it proves nothing", secret)
		}
	}
}

func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// roles is everybody.
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
		{name: "nobody", come: func(*http.Request) {}},
		{name: "own session", come: cookie(own), account: m.Own},
		{name: "another's session", come: cookie(r.Session(m.Other, Idle)), account: m.Other},
		{name: "an ended session", come: cookie(ended)},
		{name: "a made-up session", come: cookie(randomToken())},
		{name: "a session cut short", come: cookie(own[:len(own)-2])},
		{name: "a cookie that is no token", come: cookie("' OR 1=1 --")},
		{name: "an account number as cookie", come: cookie("885")},
		{name: "a token", come: bearer(p.Token(m.Own)), bearer: m.Own},
		{name: "another's token", come: bearer(p.Token(m.Other)), bearer: m.Other},
		{name: "a token that says what it is", come: bearer(p.Token(m.Own, fakeoidc.WithType("at+jwt"))), bearer: m.Own},
		{name: "own session and another's token", come: both(cookie(own), bearer(p.Token(m.Other))), account: m.Own, bearer: m.Other},
		{name: "own session and a bad token", come: both(cookie(own), bearer("x.y.z")), account: m.Own, bearer: badToken},
		{name: "a password", come: func(q *http.Request) { q.SetBasicAuth("885", "885") }, bearer: badToken},
		{name: "two tokens", come: both(bearer(p.Token(m.Own)), func(q *http.Request) { q.Header.Add("Authorization", "Bearer x") }), bearer: badToken},
	}
	for name, token := range r.badTokens(m.Own) {
		roles = append(roles, role{name: name, come: bearer(token), bearer: badToken})
	}
	return roles
}

// badTokens is tokens that open nothing.
func (r *Rig) badTokens(account int64) map[string]string {
	p := r.Provider
	claim := p.AccountClaim()
	return map[string]string{
		"no token":                     "",
		"an expired token":             p.Token(account, fakeoidc.Expired),
		"a token without an end":       p.Token(account, fakeoidc.WithClaim("exp", nil)),
		"a token for others":           p.Token(account, fakeoidc.WithAudience("somebody-else")),
		"a token for nobody":           p.Token(account, fakeoidc.WithClaim("aud", nil)),
		"a token of another issuer":    p.Token(account, fakeoidc.WithClaim("iss", "https://id.example")),
		"a token by another key":       p.Token(account, fakeoidc.SignedByOtherKey),
		"an unsigned token":            p.Token(account, fakeoidc.Unsigned),
		"signed by the public key":     p.Token(account, fakeoidc.SignedWithPublicKey),
		"an ID token":                  p.Token(account, p.AsIDToken),
		"an ID token of another party": p.Token(account, fakeoidc.WithClaim("at_hash", "x"), fakeoidc.WithClaim("azp", "other")),
		"a token without account":      p.Token(account, fakeoidc.WithClaim(claim, nil)),
		"a token of account 0":         p.Token(account, fakeoidc.WithClaim(claim, 0)),
		"a token of a negative one":    p.Token(account, fakeoidc.WithClaim(claim, -account)),
		"a token of a broken one":      p.Token(account, fakeoidc.WithClaim(claim, 1.5)),
		"a token of a list":            p.Token(account, fakeoidc.WithClaim(claim, []int64{account})),
		"a token of too much":          p.Token(account, fakeoidc.WithClaim(claim, "9223372036854775808")),
		"a token of a word":            p.Token(account, fakeoidc.WithClaim(claim, " 1")),
		"a token by its subject alone": p.Token(account, fakeoidc.WithClaim(claim, nil), fakeoidc.WithClaim("sub", "885")),
	}
}

func both(a, b func(*http.Request)) func(*http.Request) {
	return func(q *http.Request) { a(q); b(q) }
}

// Session opens a session that ends after a while, and gives its cookie's value.
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
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // no randomness
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// trial is a matrix under way.
type trial struct {
	Matrix
	rig       *Rig
	handler   http.Handler
	called    bool // by the request under way
	principal auth.Principal
	known     bool
	leaks     map[string]bool // secrets that Own has seen
}

// build puts the routes behind the authenticator, and a look at who comes before each.
func (try *trial) build(t *testing.T) {
	t.Helper()
	routes := slices.Clone(try.Routes)
	for i, route := range routes {
		routes[i].Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			try.called = true
			try.principal, try.known = auth.PrincipalOf(q.Context())
			route.Handler.ServeHTTP(w, q)
		})
	}
	var err error
	if try.handler, err = try.rig.Auth.Mux(routes); err != nil {
		t.Fatal(err)
	}
}

func (try *trial) target(t *testing.T, route auth.Route) (method, path string) {
	t.Helper()
	method, path, _ = strings.Cut(route.Pattern, " ")
	if given, ok := try.Paths[route.Pattern]; ok {
		path = given
	}
	path = strings.TrimSuffix(path, "{$}")
	if strings.Contains(path, "{") {
		t.Fatalf("say where %q leads to something of the client's own", route.Pattern)
	}
	return method, path
}

func (try *trial) send(t *testing.T, route auth.Route, come func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	method, path := try.target(t, route)
	body, ok := try.Bodies[route.Pattern]
	if !ok {
		body.ContentType = "application/x-www-form-urlencoded"
	}
	request := httptest.NewRequestWithContext(t.Context(), method, try.rig.URL+path, strings.NewReader(body.Text))
	if !safe(method) {
		request.Header.Set("Content-Type", body.ContentType)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	come(request)
	try.called, try.known = false, false
	answer := httptest.NewRecorder()
	try.handler.ServeHTTP(answer, request)
	checkHeaders(t, answer)
	return answer
}

// as comes to a route as somebody.
func (try *trial) as(t *testing.T, route auth.Route, who role) {
	t.Helper()
	answer := try.send(t, route, who.come)
	account, byToken := who.account, false
	if route.Access == auth.SignedInAPI && who.bearer != 0 {
		account, byToken = max(who.bearer, 0), true
	}
	switch {
	case route.Access == auth.Anyone:
		if !try.called || try.known {
			t.Errorf("let in: %v, as somebody: %v; everybody may come, and nobody asks who", try.called, try.known)
		}
	case account != 0:
		if want := (auth.Principal{AccountID: account, Bearer: byToken}); !try.called || !try.known || try.principal != want {
			t.Fatalf("let in: %v, as %+v; want %+v; the answer was %d %s", try.called, try.principal, want, answer.Code, answer.Body)
		}
	case try.called:
		t.Fatalf("let in as %+v", try.principal)
	default:
		try.checkRefusal(t, route, who, answer)
	}
	try.watch(t, account, answer)
}

// watch looks for what is nobody's business but Own's.
func (try *trial) watch(t *testing.T, account int64, answer *httptest.ResponseRecorder) {
	t.Helper()
	for _, secret := range try.Secrets {
		if !strings.Contains(answer.Body.String(), secret) {
			continue
		}
		if account != try.Own {
			t.Errorf("%q is shown to account %d", secret, account)
		}
		try.leaks[secret] = try.leaks[secret] || account == try.Own
	}
}

func (try *trial) checkRefusal(t *testing.T, route auth.Route, who role, answer *httptest.ResponseRecorder) {
	t.Helper()
	method, path := try.target(t, route)
	switch h := answer.Header(); {
	case route.Access == auth.SignedInAPI:
		want := `Bearer realm="referral"`
		if who.bearer == badToken {
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

// crossSite has another site send what a signed-in browser would.
func (try *trial) crossSite(t *testing.T, route auth.Route) {
	session := try.rig.Session(try.Own, Idle)
	for name, from := range map[string][2]string{
		"by another site":               {"cross-site", ""},
		"by another site of the domain": {"same-site", ""},
		"by another site, old":          {"", "https://evil.example"},
		"by a page of no origin, old":   {"", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := try.send(t, route, func(q *http.Request) {
				q.AddCookie(&http.Cookie{Name: Cookie, Value: session})
				q.Header.Del("Sec-Fetch-Site")
				if q.Header.Set("Sec-Fetch-Site", from[0]); from[0] == "" {
					q.Header.Del("Sec-Fetch-Site")
					q.Header.Set("Origin", from[1])
				}
			})
			if try.called || answer.Code != http.StatusForbidden {
				t.Errorf("let in: %v, answer %d; want 403", try.called, answer.Code)
			}
		})
	}
}

// checkHeaders is for every answer, whichever handler made it.
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
			t.Errorf("the policy does not say %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy allows too much: %s", policy)
	}
}
