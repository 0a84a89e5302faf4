package auth_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"referral/internal/demo/fakeoidc"
	"referral/web/auth"
	"referral/web/auth/authtest"
)

// who answers with the principal.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	v, _ := auth.PrincipalOf(r.Context())
	fmt.Fprintf(w, "client %d, by token %v", v.AccountID, v.Bearer)
})

func routes() []auth.Route {
	return []auth.Route{
		{Pattern: "GET /referral", Access: auth.SignedInPage, Handler: who},
		{Pattern: "GET /referral/friends/{id}", Access: auth.SignedInPage, Handler: who},
		{Pattern: "POST /referral/join", Access: auth.SignedInPage, Handler: who},
		{Pattern: "GET /api/v1/standing", Access: auth.SignedInAPI, Handler: who},
		{Pattern: "POST /api/v1/activation", Access: auth.SignedInAPI, Handler: who},
		{Pattern: "GET /referral/about", Access: auth.Anyone, Handler: who},
		{Pattern: "POST /referral/opt-out/{token}", Access: auth.Anyone, Handler: who},
	}
}

func rig(t *testing.T, o authtest.Options) *authtest.Rig {
	t.Helper()
	r := authtest.New(t, o)
	r.Serve(routes())
	return r
}

// wantAnswer checks the status of an answer and words of its body.
func wantAnswer(t *testing.T, got *authtest.Answer, status int, words ...string) {
	t.Helper()
	if got.Status != status {
		t.Errorf("%s: status %d, want %d: %s", got.URL, got.Status, status, got.Body)
	}
	for _, word := range words {
		if !strings.Contains(got.Body, word) {
			t.Errorf("%s does not say %q: %s", got.URL, word, got.Body)
		}
	}
}

func TestAccessMatrix(t *testing.T) {
	rig(t, authtest.Options{}).Matrix(t, authtest.Matrix{
		Routes: routes(), Own: 885, Other: 901, Secrets: []string{"client 885"},
		Paths: map[string]string{"GET /referral/friends/{id}": "/referral/friends/901?page=2", "POST /referral/opt-out/{token}": "/referral/opt-out/x"},
	})
}

// A client that requests a page gets it after the sign-in, and later without one.
func TestSignIn(t *testing.T) {
	r := rig(t, authtest.Options{})
	browser := r.Browser()
	asked := r.Get(browser, "/referral/friends/7?page=2")
	wantAnswer(t, asked, http.StatusOK, "Кем войти?")
	landed := r.Post(browser, r.Provider.Issuer()+"/sign-in", url.Values{"id": {asked.URL.Query().Get("id")}, "account": {"885"}})
	wantAnswer(t, landed, http.StatusOK, "client 885, by token false")
	if landed.URL.String() != r.URL+"/referral/friends/7?page=2" {
		t.Errorf("landed on %s", landed.URL)
	}
	wantAnswer(t, r.Get(browser, "/api/v1/standing"), http.StatusOK, "client 885, by token false")
	wantAnswer(t, r.Get(r.Browser(), "/referral"), http.StatusOK, "Кем войти?")
}

// Every sign-in creates a new token and invalidates the one that the browser had.
// A client secret that is replaced is used by the next sign-in.
func TestClientSecretIsReplaced(t *testing.T) {
	t.Parallel()
	var current atomic.Value
	r := authtest.New(t, authtest.Options{Change: func(o *auth.Options) {
		current.Store("of last year")
		o.ClientSecret = func() string { return current.Load().(string) }
	}})
	if got := r.SignIn(r.Browser(), 885, ""); got.Status < http.StatusBadRequest {
		t.Errorf("signed in with a wrong secret: %+v", got)
	}
	current.Store(r.Provider.ClientSecret())
	r.SignedIn(885)
}

// Nothing is told to a provider whose certificate nobody vouches for.
func TestProviderWithAnUnknownAuthority(t *testing.T) {
	t.Parallel()
	asked := false
	provider := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	provider.Config.ErrorLog = log.New(io.Discard, "", 0)
	provider.StartTLS()
	t.Cleanup(provider.Close)
	r := authtest.New(t, authtest.Options{Change: func(o *auth.Options) { o.SignIn.Issuer = provider.URL }})
	err := r.Auth.Connect(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || asked {
		t.Errorf("got %v, asked: %t", err, asked)
	}
}

func TestNewTokenAtEverySignIn(t *testing.T) {
	memory := authtest.NewMemory()
	r := rig(t, authtest.Options{Sessions: memory})
	browser := r.SignedIn(885)
	first := cookieOf(t, r, browser)
	wantAnswer(t, r.SignIn(browser, 901, ""), http.StatusOK, "client 901")
	if second := cookieOf(t, r, browser); second == first {
		t.Error("the token stayed")
	}
	if all := memory.All(); len(all) != 1 || all[0].AccountID != 901 {
		t.Errorf("sessions %+v", all)
	}
	set(t, r, browser, strings.Repeat("A", 43))
	r.SignIn(browser, 885, "")
	if cookieOf(t, r, browser) == strings.Repeat("A", 43) {
		t.Error("a token that was put there stayed")
	}
}

func cookieOf(t *testing.T, r *authtest.Rig, browser *http.Client) string {
	t.Helper()
	for _, c := range browser.Jar.Cookies(home(t, r)) {
		if c.Name == "referral" {
			return c.Value
		}
	}
	return ""
}

func set(t *testing.T, r *authtest.Rig, browser *http.Client, value string) {
	t.Helper()
	browser.Jar.SetCookies(home(t, r), []*http.Cookie{{Name: "referral", Value: value, Path: "/"}})
}

func home(t *testing.T, r *authtest.Rig) *url.URL {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSignInReturnsToTheSiteOnly(t *testing.T) {
	r := rig(t, authtest.Options{})
	for _, back := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/referral/../admin", "/referral@evil.example", "/referral/sign-in"} {
		if landed := r.SignIn(r.Browser(), 885, back); landed.URL.String() != r.URL+"/referral" {
			t.Errorf("%q led to %s", back, landed.URL)
		}
	}
}

// Three windows may sign in at the same time, each to its own page; a return URL is valid
// once.
func TestConcurrentSignIns(t *testing.T) {
	r := rig(t, authtest.Options{})
	browser := r.Browser()
	var begun []*authtest.Answer
	for _, page := range []string{"0", "1", "2", "3"} {
		begun = append(begun, r.Get(browser, "/referral/friends/"+page))
	}
	choose := func(i int) *authtest.Answer {
		return r.Post(browser, r.Provider.Issuer()+"/sign-in", url.Values{"id": {begun[i].URL.Query().Get("id")}, "account": {"885"}})
	}
	wantAnswer(t, choose(0), http.StatusBadRequest, "Вход не завершён") // pushed out by the later ones
	for _, i := range []int{2, 1, 3} {
		if landed := choose(i); landed.URL.Path != fmt.Sprint("/referral/friends/", i) {
			t.Errorf("window %d landed on %s", i, landed.URL)
		}
	}
}

// A return URL is valid only in the browser that began the sign-in.
func TestReturnInAnotherBrowser(t *testing.T) {
	r := rig(t, authtest.Options{})
	attacker, victim := r.Browser(), r.Browser()
	attacker.CheckRedirect = func(q *http.Request, _ []*http.Request) error {
		if q.URL.Path == authtest.CallbackPath {
			return http.ErrUseLastResponse
		}
		return nil
	}
	stopped := r.SignIn(attacker, 666, "")
	way := stopped.Header.Get("Location")
	if !strings.HasPrefix(way, r.URL+authtest.CallbackPath) {
		t.Fatalf("stopped before %q", way)
	}
	wantAnswer(t, r.Get(victim, way), http.StatusBadRequest, "Вход не завершён")
	if cookieOf(t, r, victim) != "" {
		t.Error("the victim is somebody now")
	}
	// Who is signed in already is led home, as himself.
	victim = r.SignedIn(885)
	wantAnswer(t, r.Get(victim, way), http.StatusOK, "client 885")
	// The code is still good for the browser that began, once.
	attacker.CheckRedirect = nil
	wantAnswer(t, r.Get(attacker, way), http.StatusOK, "client 666")
	set(t, r, attacker, "gone")
	wantAnswer(t, r.Get(attacker, way), http.StatusBadRequest, "Вход не завершён")
}

func TestSignOut(t *testing.T) {
	memory := authtest.NewMemory()
	r := rig(t, authtest.Options{Sessions: memory})
	browser := r.SignedIn(885)
	token := cookieOf(t, r, browser)
	out := r.Post(browser, authtest.SignOutPath, nil)
	wantAnswer(t, out, http.StatusOK, "Вы вышли", authtest.SignInPath)
	if out.URL.String() != r.URL+authtest.SignedOutPath || cookieOf(t, r, browser) != "" || len(memory.All()) != 0 {
		t.Errorf("on %s with cookie %q and %d sessions", out.URL, cookieOf(t, r, browser), len(memory.All()))
	}
	set(t, r, browser, token)
	wantAnswer(t, r.Get(browser, "/referral"), http.StatusOK, "Кем войти?")
	wantAnswer(t, r.Post(r.Browser(), authtest.SignOutPath, nil), http.StatusOK, "Вы вышли")
	if got := r.Get(r.SignedIn(885), authtest.SignOutPath); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" {
		t.Errorf("signed out by a link: %d, Allow %q", got.Status, got.Header.Get("Allow"))
	}
}

// The provider gets the ID token of the sign-in, which the session stores sealed.
func TestSignOutAtTheProvider(t *testing.T) {
	memory := authtest.NewMemory()
	r := rig(t, authtest.Options{Sessions: memory})
	browser := r.SignedIn(885)
	for _, s := range memory.All() {
		if len(s.Hint) == 0 || strings.Contains(string(s.Hint), "eyJ") {
			t.Errorf("the hint is kept as %q", s.Hint)
		}
	}
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	to, err := url.Parse(r.Post(browser, authtest.SignOutPath, nil).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	if !strings.HasPrefix(to.String(), r.Provider.Issuer()+"/end_session?") || !strings.HasPrefix(q.Get("id_token_hint"), "eyJ") ||
		q.Get("client_id") != fakeoidc.ClientID || q.Get("post_logout_redirect_uri") != r.URL+authtest.SignedOutPath {
		t.Errorf("led to %s", to)
	}
}

func TestActionWithoutASession(t *testing.T) {
	done := 0
	r := authtest.New(t, authtest.Options{})
	r.Serve([]auth.Route{
		{Pattern: "GET /referral/join", Access: auth.SignedInPage, Handler: who},
		{Pattern: "POST /referral/join", Access: auth.SignedInPage, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done++ })},
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/referral/join", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Referer", r.URL+"/referral/join?step=2")
	response, err := r.Browser().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var page strings.Builder
	if err := response.Write(&page); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusUnauthorized || done != 0 {
		t.Errorf("status %d, done %d times", response.StatusCode, done)
	}
	for _, word := range []string{"действие не выполнено", `href="/referral/sign-in?return=%2Freferral%2Fjoin%3Fstep%3D2"`} {
		if !strings.Contains(page.String(), word) {
			t.Errorf("the page does not say %s: %s", word, page.String())
		}
	}
}
