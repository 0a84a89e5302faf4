// Package authtest runs an authenticator for tests, with a fake OpenID provider, sessions
// in memory or in a database, and browsers. [Rig.Matrix] requests every route in every
// role.
package authtest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"referral/internal/demo/fakeoidc"
	"referral/web/auth"
	"referral/web/middleware"
)

// Options changes the authenticator of a test.
type Options struct {
	Staff    *auth.StaffClaims                                                    // nil for a site for clients
	Claims   func(account int64) map[string]any                                   // of the provider's tokens, besides the account; may be nil
	Sessions auth.Sessions                                                        // nil for ones in memory
	Page     func(w http.ResponseWriter, r *http.Request, n middleware.ErrorPage) // nil for ErrorPage
	Change   func(*auth.Options)                                                  // applied last; may be nil
}

// The options of the authenticator, and the paths of its routes.
const (
	Base          = "/referral"
	Cookie        = "referral"
	SignInPath    = Base + auth.SignInPath
	CallbackPath  = Base + auth.CallbackPath
	SignOutPath   = Base + auth.SignOutPath
	SignedOutPath = Base + auth.SignedOutPath

	Idle     = 30 * time.Minute
	Lifetime = 12 * time.Hour
)

// Rig is a running authenticator.
type Rig struct {
	T        testing.TB
	Auth     *auth.Authenticator
	Provider *fakeoidc.Provider
	Sessions auth.Sessions
	URL      string // of the personal account, without a slash at its end
	Log      *Log
	Registry *prometheus.Registry

	server  *httptest.Server
	handler atomic.Pointer[http.Handler]
	ahead   atomic.Int64 // how far the clock of the authenticator is ahead, ns
}

// New starts an authenticator, and stops it at the end of the test. It has only its own
// routes until [Rig.Serve].
func New(t testing.TB, o Options) *Rig {
	t.Helper()
	r := &Rig{T: t, Sessions: o.Sessions, Log: &Log{}, Registry: prometheus.NewRegistry()}
	if r.Sessions == nil {
		r.Sessions = NewMemory()
	}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { (*r.handler.Load()).ServeHTTP(w, q) }))
	t.Cleanup(r.server.Close)
	r.URL = r.server.URL
	r.startProvider(o.Claims)
	options := r.options()
	if o.Page != nil {
		options.Page = o.Page
	}
	options.SignIn.Staff = o.Staff
	if o.Change != nil {
		o.Change(&options)
	}
	var err error
	if r.Auth, err = auth.New(options); err != nil {
		t.Fatal(err)
	}
	r.Serve(nil)
	r.run()
	return r
}

func (r *Rig) startProvider(claims func(int64) map[string]any) {
	r.T.Helper()
	var err error
	r.Provider, err = fakeoidc.Start(context.Background(), fakeoidc.Options{
		RedirectURIs: []string{r.URL + CallbackPath}, PostLogoutURIs: []string{r.URL + SignedOutPath}, Claims: claims,
	})
	if err != nil {
		r.T.Fatal(err)
	}
	r.T.Cleanup(func() { _ = r.Provider.Stop() }) // a test may have stopped it
}

func (r *Rig) options() auth.Options {
	return auth.Options{
		Site: "portal", Base: Base, Cookie: Cookie, Page: ErrorPage, PublicURL: r.URL, Sessions: r.Sessions, Idle: Idle, Lifetime: Lifetime, Now: r.Now,
		Log: slog.New(slog.NewJSONHandler(r.Log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registerer: r.Registry,
		SignIn: auth.SignIn{
			Issuer: r.Provider.Issuer(), ClientID: fakeoidc.ClientID, ClientSecret: r.Provider.ClientSecret(),
			AccountClaim: fakeoidc.AccountClaim, Audience: fakeoidc.Audience, Scopes: []string{"openid"},
		},
	}
}

func (r *Rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	if r.Auth.Configured() {
		if err := r.Auth.Connect(ctx); err != nil {
			r.T.Log(err) // a test may want an unavailable provider
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Auth.Run(ctx) }()
	r.T.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			r.T.Error(err)
		}
	})
}

// ErrorPage writes an error page without a layout.
func ErrorPage(w http.ResponseWriter, _ *http.Request, p middleware.ErrorPage) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	fmt.Fprintf(w, `<h1>%s</h1><p>%s</p><a href="%s">%s</a>`, p.Title, p.Text, p.Link, p.LinkText)
}

// Now returns the time of the authenticator.
func (r *Rig) Now() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

// Advance advances the clock of the authenticator.
func (r *Rig) Advance(d time.Duration) { r.ahead.Add(int64(d)) }

// Serve puts routes behind the authenticator.
func (r *Rig) Serve(routes []auth.Route) {
	r.T.Helper()
	handler, err := r.Auth.Mux(routes)
	if err != nil {
		r.T.Fatal(err)
	}
	r.handler.Store(&handler)
}

// Browser returns a new browser with cookies of its own; it follows redirects.
func (r *Rig) Browser() *http.Client {
	r.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.T.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: time.Minute}
}

// SignIn signs a browser in through the provider, and returns the page that follows. back
// is the page to return to; empty for the home page.
func (r *Rig) SignIn(browser *http.Client, account int64, back string) *Answer {
	r.T.Helper()
	page := r.Get(browser, SignInPath+"?"+url.Values{"return": {back}}.Encode())
	at := page.URL
	if page.Status != http.StatusOK || !strings.HasPrefix(at.String(), r.Provider.Issuer()) {
		r.T.Fatalf("no sign-in page of the provider: %s at %s", page.Body, at)
	}
	form := url.Values{"id": {at.Query().Get("id")}, "account": {strconv.FormatInt(account, 10)}}
	return r.do(browser, http.MethodPost, r.Provider.Issuer()+"/sign-in", form)
}

// SignedIn returns a browser in which an account is signed in.
func (r *Rig) SignedIn(account int64) *http.Client {
	r.T.Helper()
	browser := r.Browser()
	r.SignIn(browser, account, "")
	home, err := url.Parse(r.URL)
	if err != nil {
		r.T.Fatal(err)
	}
	for _, cookie := range browser.Jar.Cookies(home) {
		if cookie.Name == Cookie {
			return browser
		}
	}
	r.T.Fatal("the sign-in left no cookie")
	return nil
}

// Answer is the last answer to a browser.
type Answer struct {
	Status int
	URL    *url.URL // after redirects
	Header http.Header
	Body   string
}

// Get requests a path or a URL.
func (r *Rig) Get(browser *http.Client, target string) *Answer {
	r.T.Helper()
	return r.do(browser, http.MethodGet, target, nil)
}

// Post sends a form from a page of the site.
func (r *Rig) Post(browser *http.Client, target string, form url.Values) *Answer {
	r.T.Helper()
	return r.do(browser, http.MethodPost, target, form)
}

func (r *Rig) do(browser *http.Client, method, target string, form url.Values) *Answer {
	r.T.Helper()
	if strings.HasPrefix(target, "/") {
		target = r.URL + target
	}
	request, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		r.T.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := browser.Do(request)
	if err != nil {
		r.T.Fatal(err)
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		r.T.Fatal(err)
	}
	return &Answer{response.StatusCode, response.Request.URL, response.Header, body.String()}
}

// Log collects the log.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns the log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
