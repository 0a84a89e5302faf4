package api_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"referral/web/auth"
	"referral/web/portal"
	"referral/web/portal/api"
)

var update = flag.Bool("update", false, "rewrite openapi.yaml")

const committed = "../../../openapi.yaml"

func newAPI(t *testing.T, service portal.Service) *api.API {
	t.Helper()
	a, err := api.New(service, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// notCalled is a service that no test calls.
type notCalled struct{ portal.Service }

// After a change of the types, `go test ./web/portal/api -update` rewrites the
// committed document, and its diff is the change of the contract.
func TestDocumentIsUpToDate(t *testing.T) {
	made := newAPI(t, notCalled{}).Document()
	if *update {
		if err := os.WriteFile(committed, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Error("openapi.yaml does not match the types: run go test ./web/portal/api -update, and check the diff")
	}
	if again := newAPI(t, notCalled{}).Document(); !bytes.Equal(again, made) {
		t.Error("the document differs each time")
	}
	for _, foreign := range []string{"ErrorModel", "$schema", "about:blank"} {
		if strings.Contains(string(made), foreign) {
			t.Errorf("the document mentions %s", foreign)
		}
	}
}

func TestDocumentIsServed(t *testing.T) {
	served := 0
	for _, route := range newAPI(t, notCalled{}).Routes() {
		if route.Access != auth.Anyone {
			continue
		}
		served++
		answer := httptest.NewRecorder()
		route.Handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
		if !strings.Contains(answer.Body.String(), "/api/v1/standing") || !strings.HasPrefix(answer.Header().Get("Content-Type"), "application/openapi+") {
			t.Errorf("%s: %v", route.Pattern, answer.Header())
		}
	}
	if served != 2 {
		t.Errorf("%d public routes, want 2", served)
	}
}

func TestEveryOperationHasARoute(t *testing.T) {
	a := newAPI(t, notCalled{})
	routes := map[string]bool{}
	for _, r := range a.Routes() {
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
		if r.Access == auth.SignedInAPI {
			routes[r.Pattern] = true
		}
	}
	for _, want := range []string{
		"GET /api/v1/standing", "POST /api/v1/activations", "POST /api/v1/membership", "GET /api/v1/friends", "GET /api/v1/changes",
		"GET /api/v1/months", "GET /api/v1/invoices/{invoice_id}/explanation", "GET /api/v1/invitations", "POST /api/v1/invitations",
	} {
		if !routes[want] {
			t.Errorf("%s has no route", want)
		}
		delete(routes, want)
	}
	if len(routes) > 0 {
		t.Errorf("unexpected routes %v", routes)
	}
}

// A handler that is reached without a principal does not call the service.
func TestRequestWithoutPrincipalIsRejected(t *testing.T) {
	for _, route := range newAPI(t, notCalled{}).Routes() {
		if route.Access == auth.Anyone {
			continue
		}
		method, path, _ := strings.Cut(route.Pattern, " ")
		body := `{"code":"ABC","channel":"email","recipient":"a@example.com"}`
		request := httptest.NewRequestWithContext(t.Context(), method, strings.Replace(path, "{invoice_id}", "INV-1", 1), strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		route.Handler.ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", route.Pattern, answer.Code, answer.Body)
		}
	}
}
