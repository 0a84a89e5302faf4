package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"referral/cmd/referral/config"
	"referral/web/auth"
	"referral/web/portal"
)

// shut is the program as outside systems may start it: nobody has configured the
// sign-in, and the database is away.
func shut(t *testing.T) (*app, *strings.Builder) {
	t.Helper()
	c := config.Default()
	c.Database.DSN = "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"
	var log strings.Builder
	a, err := newApp(c, process{err: &log}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a, &log
}

// allRoutes is every way into the personal account, and the handler with them all.
func allRoutes(t *testing.T, a *app) ([]auth.Route, http.Handler) {
	t.Helper()
	_, routes, handler, err := a.portal("http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	return routes, handler
}

// Anyone who opens a route to everybody has to say so here too.
func TestOnlyTheseRoutesAreForEverybody(t *testing.T) {
	a, _ := shut(t)
	routes, _ := allRoutes(t, a)
	want := []string{
		"GET /api/v1/openapi.json", "GET /api/v1/openapi.yaml", "GET /referral/assets/{name}",
		"GET /referral/opt-out/{token}", "POST /referral/opt-out/{token}",
	}
	var open []string
	for _, route := range routes {
		switch page := strings.Contains(route.Pattern, " "+portal.BasePath); {
		case route.Access == auth.Anyone:
			open = append(open, route.Pattern)
		case (route.Access == auth.SignedInPage) != page || !page && !strings.Contains(route.Pattern, " /api/v1/"):
			t.Errorf("%s is entered as %s: pages are under /referral, the API is under /api/v1", route.Pattern, route.Access)
		}
	}
	if slices.Sort(open); !slices.Equal(open, want) {
		t.Errorf("open to everybody are\n%q, want\n%q", open, want)
	}
	if len(routes) < len(want)+10 {
		t.Errorf("only %d routes: the pages or the API are missing", len(routes))
	}
}

// Without a provider every route for clients says that, as a page or as a problem,
// and asks the database nothing.
func TestWithoutSignInEveryRouteSaysSo(t *testing.T) {
	a, log := shut(t)
	routes, handler := allRoutes(t, a)
	for _, route := range routes {
		if route.Access == auth.Anyone {
			continue
		}
		method, path, _ := strings.Cut(route.Pattern, " ")
		q := httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{", "", "}", "", "$", "").Replace(path), http.NoBody)
		q.AddCookie(&http.Cookie{Name: "referral", Value: strings.Repeat("A", 43)})
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, q)
		kind := "text/html"
		if route.Access == auth.SignedInAPI {
			kind = "application/problem+json"
		}
		if answer.Code != http.StatusServiceUnavailable || !strings.HasPrefix(answer.Header().Get("Content-Type"), kind) ||
			!strings.Contains(answer.Body.String(), "к единому входу. Загляните") {
			t.Errorf("%s: %d %s: %s", route.Pattern, answer.Code, answer.Header().Get("Content-Type"), answer.Body)
		}
	}
	if log.Len() != 0 {
		t.Errorf("logged for every request:\n%s", log)
	}
}
