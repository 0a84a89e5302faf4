package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"referral/web/auth"
	"referral/web/auth/authtest"
)

func TestInvalidRoutesAreRefused(t *testing.T) {
	r := authtest.New(t, authtest.Options{})
	for name, c := range map[string]struct {
		routes []auth.Route
		says   string
	}{
		"no access rule":         {[]auth.Route{{Pattern: "GET /referral/x", Handler: who}}, "has no access rule"},
		"an unknown access rule": {[]auth.Route{{Pattern: "GET /referral/x", Access: "staff", Handler: who}}, "has no access rule"},
		"no handler":             {[]auth.Route{{Pattern: "GET /referral/x", Access: auth.Anyone}}, "needs a pattern and a handler"},
		"no method":              {[]auth.Route{{Pattern: "/referral/x", Access: auth.SignedInPage, Handler: who}}, "must name its method"},
		"no path":                {[]auth.Route{{Pattern: "GET x", Access: auth.SignedInPage, Handler: who}}, `"GET x"`},
		"one twice": {[]auth.Route{
			{Pattern: "GET /referral/{x}", Access: auth.SignedInPage, Handler: who}, {Pattern: "GET /referral/{y}", Access: auth.Anyone, Handler: who},
		}, "conflicts"},
		"one of the authenticator's own": {[]auth.Route{{Pattern: "GET " + authtest.SignInPath, Access: auth.Anyone, Handler: who}}, "conflicts"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Auth.Mux(c.routes); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestUnknownRoutes(t *testing.T) {
	r := rig(t, authtest.Options{})
	browser := r.SignedIn(885)
	wantAnswer(t, r.Get(browser, "/referral/nothing"), http.StatusNotFound, "Страница не найдена")
	wantAnswer(t, r.Post(browser, "/referral/about", nil), http.StatusMethodNotAllowed, "так эту страницу открыть нельзя"[6:])
	if got := r.Get(browser, "/api/v1/activation"); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" ||
		got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v", got.Status, got.Header)
	}
	wantAnswer(t, r.Get(browser, "/"), http.StatusOK, "client 885")
}

// Requests are counted by route, because a path may contain personal data.
func TestMetricsNameRoutes(t *testing.T) {
	r := rig(t, authtest.Options{})
	browser := r.SignedIn(885)
	r.Get(browser, "/referral/friends/79001234567")
	r.Get(browser, "/referral/79001234567")
	r.Get(r.Browser(), "/api/v1/standing")
	counted := requests(t, r)
	families, err := r.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if key := labels(m); strings.Contains(key, "79001234567") {
				t.Errorf("%s has %s", f.GetName(), key)
			}
		}
	}
	for key, want := range map[string]float64{"GET /referral/friends/{id} portal 2xx": 1, "none portal 4xx": 1, "GET /api/v1/standing portal 4xx": 1} {
		if counted[key] != want {
			t.Errorf("%s: counted %v times of %v", key, counted[key], counted)
		}
	}
}

// requests returns the counted requests by route, site and class of status.
func requests(t *testing.T, r *authtest.Rig) map[string]float64 {
	t.Helper()
	families, err := r.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "referral_web_requests_total" {
			for _, m := range f.GetMetric() {
				counted[labels(m)] = m.GetCounter().GetValue()
			}
		}
	}
	return counted
}

func labels(m *dto.Metric) string {
	var values []string
	for _, l := range m.GetLabel() {
		values = append(values, l.GetValue())
	}
	return strings.Join(values, " ")
}

// Over https cookies have the __Host- prefix, and HSTS is set.
func TestOverHTTPS(t *testing.T) {
	r := authtest.New(t, authtest.Options{Change: func(o *auth.Options) { o.PublicURL = "https://lk.example.ru/" }})
	handler, err := r.Auth.Mux(routes())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string, cookies ...string) *httptest.ResponseRecorder {
		q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		for i := 0; i < len(cookies); i += 2 {
			q.AddCookie(&http.Cookie{Name: cookies[i], Value: cookies[i+1]})
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, q)
		return recorder
	}
	begun := ask(authtest.SignInPath)
	cookie, err := http.ParseSetCookie(begun.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	if cookie.Name != "__Host-referral-sign-in" || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookie is %s", cookie)
	}
	to := begun.Header().Get("Location")
	for _, part := range []string{
		"redirect_uri=https%3A%2F%2Flk.example.ru%2Freferral%2Fsign-in%2Fcallback", "code_challenge_method=S256", "response_type=code", "nonce=", "state=",
	} {
		if !strings.Contains(to, part) {
			t.Errorf("%s lacks %s", to, part)
		}
	}
	if begun.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
	session := r.Session(885, authtest.Idle)
	if got := ask("/referral", "__Host-referral", session); got.Code != http.StatusOK {
		t.Errorf("status %d with the cookie", got.Code)
	}
	if got := ask("/referral", "referral", session); got.Code != http.StatusSeeOther {
		t.Errorf("status %d with a cookie without the __Host- prefix", got.Code)
	}
}

// Browsers apply form-action to the redirect to the provider's sign-out.
func TestFormActionAllowsTheSignOut(t *testing.T) {
	r := rig(t, authtest.Options{})
	policy := r.Get(r.Browser(), authtest.SignedOutPath).Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "form-action 'self' "+r.Provider.Issuer()) {
		t.Errorf("the policy is %s", policy)
	}
}
