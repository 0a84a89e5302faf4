package door_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"referral/web/door"
	"referral/web/door/doortest"
)

func TestRoutesThatAreRefused(t *testing.T) {
	r := doortest.New(t, doortest.Options{})
	for name, c := range map[string]struct {
		routes []door.Route
		says   string
	}{
		"no rule":             {[]door.Route{{Pattern: "GET /referral/x", Handler: who}}, "has no rule"},
		"a rule that is none": {[]door.Route{{Pattern: "GET /referral/x", Rule: "staff", Handler: who}}, "has no rule"},
		"no handler":          {[]door.Route{{Pattern: "GET /referral/x", Rule: door.Anyone}}, "needs a pattern and a handler"},
		"no method":           {[]door.Route{{Pattern: "/referral/x", Rule: door.ClientPage, Handler: who}}, "must name its method"},
		"no path":             {[]door.Route{{Pattern: "GET x", Rule: door.ClientPage, Handler: who}}, `"GET x"`},
		"one twice": {[]door.Route{
			{Pattern: "GET /referral/{x}", Rule: door.ClientPage, Handler: who}, {Pattern: "GET /referral/{y}", Rule: door.Anyone, Handler: who},
		}, "conflicts"},
		"one of the door's own": {[]door.Route{{Pattern: "GET " + door.SignInPath, Rule: door.Anyone, Handler: who}}, "conflicts"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Door.Mux(c.routes); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestWhereNoRouteIs(t *testing.T) {
	r := rig(t, doortest.Options{})
	browser := r.SignedIn(885)
	wantAnswer(t, r.Get(browser, "/referral/nothing"), http.StatusNotFound, "Страница не найдена", `lang="ru"`)
	wantAnswer(t, r.Post(browser, "/referral/about", nil), http.StatusMethodNotAllowed, "так эту страницу открыть нельзя"[6:])
	if got := r.Get(browser, "/api/v1/activation"); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" ||
		got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %v", got.Status, got.Header)
	}
	wantAnswer(t, r.Get(browser, "/"), http.StatusOK, "client 885")
	css := r.Get(browser, "/referral/door.css")
	if css.Status != http.StatusOK || !strings.HasPrefix(css.Header.Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d %v", css.Status, css.Header)
	}
}

// Notices can be shown in the look of the pages around them.
func TestNoticesInAnotherLook(t *testing.T) {
	r := rig(t, doortest.Options{Page: func(w http.ResponseWriter, _ *http.Request, n door.Notice) {
		w.WriteHeader(n.Status)
		_, _ = io.WriteString(w, "look: "+n.Title)
	}})
	wantAnswer(t, r.Get(r.Browser(), "/referral/nothing"), http.StatusNotFound, "look: Страница не найдена")
}

func TestLargeRequests(t *testing.T) {
	r := doortest.New(t, doortest.Options{})
	r.Serve([]door.Route{{Pattern: "POST /referral/x", Rule: door.Anyone, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, err := io.ReadAll(q.Body); err != nil {
			large := (*http.MaxBytesError)(nil)
			if !errors.As(err, &large) {
				t.Error(err)
			}
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})}})
	for size, status := range map[int]int{64 << 10: 200, 64<<10 + 1: 413} {
		answer, err := http.Post(r.URL+"/referral/x", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%d bytes: status %d, want %d", size, answer.StatusCode, status)
		}
	}
}

// A handler that breaks takes nobody with it, and tells the log where, not what.
func TestPanics(t *testing.T) {
	r := doortest.New(t, doortest.Options{})
	r.Serve([]door.Route{
		{Pattern: "GET /referral/early", Rule: door.ClientPage, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic("Иван Иванов, +7 900 000-00-00")
		})},
		{Pattern: "GET /api/v1/late", Rule: door.ClientAPI, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("half an answer ", 1000))
			names := []string{"Иван Иванов"}
			_, _ = io.WriteString(w, names[len(names)]) //nolint:gocritic // a panic of the runtime is wanted
		})},
	})
	browser := r.SignedIn(885)
	wantAnswer(t, r.Get(browser, "/referral/early"), http.StatusInternalServerError, "Что-то пошло не так")
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/api/v1/late", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := browser.Do(q); err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil {
			t.Error("half an answer looks like a whole one")
		}
	}
	log := r.Log.String()
	for _, word := range []string{"panic: string", "index out of range", "mux_test.go", "GET /referral/early", "GET /api/v1/late"} {
		if !strings.Contains(log, word) {
			t.Errorf("the log does not say %q", word)
		}
	}
	if strings.Contains(log, "Иван") || strings.Count(log, "a request failed") != 2 {
		t.Errorf("logged:\n%s", log)
	}
}

// A client that hangs up raises no alarm; what fails for another reason does,
// whether anybody still waits for it or not.
func TestHangingUp(t *testing.T) {
	for class, failure := range map[string]error{"gone": context.Canceled, "5xx": errors.New("connection refused")} {
		t.Run(class, func(t *testing.T) { hangUp(t, class, failure) })
	}
}

func hangUp(t *testing.T, class string, failure error) {
	r := rig(t, doortest.Options{})
	begun, counted := make(chan struct{}), make(chan struct{})
	handler, err := r.Door.Mux([]door.Route{{Pattern: "GET /referral/slow", Rule: door.Anyone, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		close(begun)
		<-q.Context().Done()
		door.NoteError(q.Context(), fmt.Errorf("asking the database: %w", failure))
		w.WriteHeader(http.StatusServiceUnavailable)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		defer close(counted)
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/referral/slow", nil))
	}()
	<-begun
	hangUp()
	<-counted
	if log := r.Log.String(); strings.Contains(log, "a request failed") != (class == "5xx") {
		t.Errorf("logged:\n%s", log)
	}
	if n := requests(t, r)["GET /referral/slow "+class]; n != 1 {
		t.Errorf("%v requests are counted as %s", n, class)
	}
}

// Requests are counted by route: a path could name somebody.
func TestMetricsNameRoutes(t *testing.T) {
	r := rig(t, doortest.Options{})
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
	for key, want := range map[string]float64{"GET /referral/friends/{id} 2xx": 1, "none 4xx": 1, "GET /api/v1/standing 4xx": 1} {
		if counted[key] != want {
			t.Errorf("%s: counted %v times of %v", key, counted[key], counted)
		}
	}
}

// requests is how many were counted, by route and class of status.
func requests(t *testing.T, r *doortest.Rig) map[string]float64 {
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

// Over https the cookies are the host's own, and browsers are told to stay there.
func TestOverHTTPS(t *testing.T) {
	r := doortest.New(t, doortest.Options{Change: func(o *door.Options) { o.PublicURL = "https://lk.example.ru/" }})
	handler, err := r.Door.Mux(routes())
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
	begun := ask(door.SignInPath)
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
	session := r.Session(885, doortest.Idle)
	if got := ask("/referral", "__Host-referral", session); got.Code != http.StatusOK {
		t.Errorf("status %d with the cookie", got.Code)
	}
	if got := ask("/referral", "referral", session); got.Code != http.StatusSeeOther {
		t.Errorf("status %d with a cookie that anybody could have set", got.Code)
	}
}

// The pages may send a form to the provider's sign-out, which browsers hold against
// form-action.
func TestFormsMayLeadToTheSignOut(t *testing.T) {
	r := rig(t, doortest.Options{})
	policy := r.Get(r.Browser(), door.SignedOutPath).Header.Get("Content-Security-Policy")
	if !strings.HasSuffix(policy, "form-action 'self' "+r.Provider.Issuer()) {
		t.Errorf("the policy is %s", policy)
	}
}
