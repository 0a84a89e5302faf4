package auth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
	"referral/web/middleware"
)

func TestLocalPath(t *testing.T) {
	for text, want := range map[string]string{
		"/referral": "/referral", "/referral/friends/7?page=2": "/referral/friends/7?page=2", "/referral?tab=%D1%8F": "/referral?tab=%D1%8F",
		"/referral/x#part": "/referral/x",
		// Everything else leads home.
		"": "/referral", "/": "/referral", "/referrals": "/referral", "/api/v1/me": "/referral", "referral": "/referral", "?x": "/referral",
		"https://evil.example/referral": "/referral", "//evil.example/referral": "/referral", "/\\evil.example": "/referral", "\\\\evil.example": "/referral",
		"/referral\\..\\..": "/referral", "/referral/../admin": "/referral", "/referral/./x": "/referral", "/referral//evil.example": "/referral",
		"/referral%2f0": "/referral", "/referral/%2e%2e/admin": "/referral", "/referral/%2e%2e%2fadmin": "/referral", "javascript:alert(1)": "/referral", "/referral/\r\nSet-Cookie: a=b": "/referral",
		"/referral/\x00": "/referral", " /referral": "/referral", "/referral/я": "/referral", "/referral:80@evil.example": "/referral", "/referral/%zz": "/referral",
		"/referral/sign-in": "/referral", "/referral/sign-in/callback?code=x": "/referral", "/referral/sign-out": "/referral", "/referral/signed-out": "/referral",
		"/referral/" + strings.Repeat("x", 600): "/referral",
	} {
		if got := localPath("/referral", text); got != want {
			t.Errorf("%q leads to %q, want %q", text, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/referral/x?y=z#f", "//host/referral", "/referral/%2f%2fhost", "/referral/..%5c", "http:/referral"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := localPath("/referral", text)
		if got != "/referral" && !strings.HasPrefix(got, "/referral/") && !strings.HasPrefix(got, "/referral?") {
			t.Fatalf("%q leads to %q", text, got)
		}
		if strings.ContainsAny(got, "\\\r\n\t ") || strings.Contains(strings.SplitN(got, "?", 2)[0], "..") {
			t.Fatalf("%q leads to %q", text, got)
		}
		if again := localPath("/referral", got); again != got {
			t.Fatalf("%q leads to %q, and that to %q", text, got, again)
		}
	})
}

func TestPendingCookie(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPendingSignIn(now, "/referral/x?y=1")
	back, ok := parsePendingSignIn("/referral", p.String())
	if !ok || back != p || !back.is(p.state) || back.is("") || back.is(p.nonce) {
		t.Errorf("%+v came back as %+v, %v", p, back, ok)
	}
	if p.state == p.nonce || p.nonce == p.verifier || len(p.verifier) < 43 {
		t.Errorf("state %s, nonce %s, verifier %s", p.state, p.nonce, p.verifier)
	}
	evil := strings.Join(append(strings.Split(p.String(), ".")[:2], base64.RawURLEncoding.EncodeToString([]byte("//evil.example"))), ".")
	if back, ok := parsePendingSignIn("/referral", evil); !ok || back.returnTo != "/referral" {
		t.Errorf("a changed cookie leads to %q", back.returnTo)
	}
	for _, text := range []string{"", "..", p.String()[1:], p.String() + ".x", strings.Replace(p.String(), ".", ".!", 1), "AA." + p.String()} {
		if _, ok := parsePendingSignIn("/referral", text); ok {
			t.Errorf("%q is accepted as a sign-in", text)
		}
	}
}

func TestPendingSignInsExpire(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	d := &Authenticator{options: Options{Base: "/referral", Cookie: "referral", Now: func() time.Time { return now }}}
	for age, want := range map[time.Duration]int{0: 1, pendingLifetime - time.Second: 1, pendingLifetime: 0, -pendingLifetime: 0} {
		p := newPendingSignIn(now.Add(-age), "/referral")
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		q.AddCookie(&http.Cookie{Name: "referral-sign-in", Value: p.String()})
		if got := len(d.pendingSignIns(q)); got != want {
			t.Errorf("after %s there are %d", age, got)
		}
	}
	many := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	one := newPendingSignIn(now, "/referral/"+strings.Repeat("x", 500))
	many.AddCookie(&http.Cookie{Name: "referral-sign-in", Value: strings.TrimSuffix(strings.Repeat(one.String()+"!", 50), "!")})
	recorder := httptest.NewRecorder()
	d.setPendingSignIns(recorder, append([]pendingSignIn{one}, d.pendingSignIns(many)...))
	if got := recorder.Header().Get("Set-Cookie"); strings.Count(got, "!") != maxPending-1 || len(got) > 4000 {
		t.Errorf("a cookie of %d bytes: %s", len(got), got)
	}
}

func TestSealedHintNeedsItsToken(t *testing.T) {
	mine, other := token{1}, token{2}
	sealed := mine.seal("header.payload.signature")
	if got := mine.unseal(sealed); got != "header.payload.signature" {
		t.Errorf("got %q", got)
	}
	if bytes.Contains(sealed, []byte("payload")) || other.unseal(sealed) != "" || mine.unseal(nil) != "" || mine.unseal(sealed[1:]) != "" {
		t.Error("it is unsealed without its token")
	}
	if mine.seal(strings.Repeat("x", maxHint+1)) != nil {
		t.Error("a hint that is too long is stored")
	}
}

// noSessions is an empty store of sessions.
type noSessions struct{}

func (noSessions) OpenSession(context.Context, models.Session) error { return nil }
func (noSessions) Session(context.Context, models.SessionID, time.Time) (s models.Session, ok bool, err error) {
	return s, false, nil
}
func (noSessions) TouchSession(context.Context, models.Session, time.Time) error { return nil }
func (noSessions) CloseSession(context.Context, models.SessionID) (s models.Session, ok bool, err error) {
	return s, false, nil
}

func validOptions() Options {
	return Options{
		Site: "portal", Base: "/referral", Cookie: "referral", PublicURL: "https://lk.example.ru", Sessions: noSessions{}, Page: func(w http.ResponseWriter, _ *http.Request, p middleware.ErrorPage) { w.WriteHeader(p.Status) }, Idle: time.Minute, Lifetime: time.Hour, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		SignIn: SignIn{
			Issuer: "https://id.example.ru", ClientID: "referral", ClientSecret: "geheim", AccountClaim: "account_id", Audience: "referral-api", Scopes: []string{"openid"},
		},
	}
}

func TestOptions(t *testing.T) {
	for _, valid := range []func(*Options){
		func(*Options) {},
		func(o *Options) {
			o.PublicURL, o.SignIn.Issuer = "http://127.0.0.1:8080", "http://localhost:9000/realms/x"
		},
		func(o *Options) { o.PublicURL = "http://[::1]:8080/" },
		func(o *Options) { o.PublicURL, o.SignIn = "http://10.0.0.1", SignIn{} }, // not configured: no cookie is ever set
		func(o *Options) { o.SignIn.Audience = "" },
	} {
		o := validOptions()
		valid(&o)
		if _, err := New(o); err != nil {
			t.Error(err)
		}
	}
	for want, invalidate := range map[string]func(*Options){
		"no Site":                   func(o *Options) { o.Site = "" },
		"or no Cookie":              func(o *Options) { o.Cookie = "" },
		"must be like /referral":    func(o *Options) { o.Base = "/referral/" },
		"no Sessions":               func(o *Options) { o.Sessions = nil },
		"no Page":                   func(o *Options) { o.Page = nil },
		"no Now":                    func(o *Options) { o.Now = nil },
		"no Log":                    func(o *Options) { o.Log = nil },
		"no Registerer":             func(o *Options) { o.Registerer = nil },
		"idle for 1s":               func(o *Options) { o.Idle = time.Second },
		"last 1s":                   func(o *Options) { o.Lifetime = time.Second },
		"must be https":             func(o *Options) { o.PublicURL = "http://lk.example.ru" },
		"has a path":                func(o *Options) { o.PublicURL = "https://example.ru/lk" },
		"neither a user nor a frag": func(o *Options) { o.PublicURL = "https://u:geheim@example.ru" },
		"must not have a query":     func(o *Options) { o.PublicURL = "https://example.ru?x" },
		"is not a URL like":         func(o *Options) { o.PublicURL = "lk.example.ru" },
		"the issuer":                func(o *Options) { o.SignIn.Issuer = "http://id.example.ru" },
		"a client id and a":         func(o *Options) { o.SignIn.ClientSecret = "" },
		"client secret, and one":    func(o *Options) { o.SignIn.ClientID = "" },
		"no name of the claim":      func(o *Options) { o.SignIn.AccountClaim = "" },
		"every ID token would be":   func(o *Options) { o.SignIn.Audience = "referral" },
		"without the scope openid":  func(o *Options) { o.SignIn.Scopes = []string{"profile"} },
	} {
		o := validOptions()
		invalidate(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("got %v, want an error about %q", err, want)
		}
	}
}

func TestConcurrentSignInsAreLimited(t *testing.T) {
	d, err := New(validOptions())
	if err != nil {
		t.Fatal(err)
	}
	for range maxExchanges {
		d.exchanges <- struct{}{}
	}
	if _, err := d.exchange(t.Context(), &provider{}, "code", "verifier"); !errors.Is(err, errTooManySignIns) {
		t.Errorf("got %v", err)
	}
}

func TestProviderTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", maxProviderAnswer+1))
	}))
	defer server.Close()
	answer, err := newClient(nil).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Error("an answer that is too large was read")
	}
}

// The sign-out endpoint of the provider keeps its query.
func TestAfterSignOut(t *testing.T) {
	d, err := New(validOptions())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.afterSignOut("hint"); got != "/referral/signed-out" {
		t.Errorf("without a provider it leads to %s", got)
	}
	place, err := secureEndpoint("https://id.example.ru/out?p=policy")
	if err != nil {
		t.Fatal(err)
	}
	d.provider.Store(&provider{endSession: place})
	for hint, want := range map[string]string{"": "", "hint": "id_token_hint=hint&"} {
		want = "https://id.example.ru/out?client_id=referral&" + want + "p=policy&post_logout_redirect_uri=https%3A%2F%2Flk.example.ru%2Freferral%2Fsigned-out"
		if got := d.afterSignOut(hint); got != want {
			t.Errorf("it leads to %s, want %s", got, want)
		}
	}
	if _, err := secureEndpoint("http://id.example.ru/out"); err == nil {
		t.Error("a hint may be sent over plain http")
	}
}

// A provider with a plain http endpoint for the secret or the keys is refused, whatever
// its own address is.
func TestInsecureEndpointsAreRefused(t *testing.T) {
	for _, c := range []struct {
		key, address, says string
	}{
		{"authorization_endpoint", "http://id.example.ru/x", "its authorization endpoint: "},
		{"token_endpoint", "http://id.example.ru/x", "its token endpoint: "},
		{"jwks_uri", "http://id.example.ru/x", "its key endpoint: "},
		{"end_session_endpoint", "http://id.example.ru/x", "its sign-out endpoint: "},
		{"token_endpoint", "", "its token endpoint: "},
		{"jwks_uri", "/keys", "its key endpoint: "},
		{"token_endpoint", "https://u:p@id.example.ru/x", "its token endpoint: "},
		{"token_endpoint", "http://127.0.0.1:1/x", ""},
		{"jwks_uri", "http://localhost:1/x?p=policy", ""},
	} {
		t.Run(c.key+" "+c.address, func(t *testing.T) {
			var provider *httptest.Server
			provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				says := map[string]any{"issuer": provider.URL}
				for _, other := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"} {
					says[other] = "https://id.example.ru/x"
				}
				says[c.key] = c.address
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(says)
			}))
			defer provider.Close()
			options := validOptions()
			options.SignIn.Issuer = provider.URL
			d, err := New(options)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Connect(t.Context()); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
