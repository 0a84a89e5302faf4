package jsonapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"referral/models"
	"referral/web/auth"
	"referral/web/auth/authtest"
	"referral/web/jsonapi"
)

var (
	errFull    = errors.New("the shelf is full")
	errBusy    = errors.New("the shelf is busy")
	full       = jsonapi.Kind{Status: http.StatusConflict, Code: "full", Title: "The shelf is full"}
	busy       = jsonapi.Kind{Status: http.StatusTooManyRequests, Code: "busy", Title: "The shelf is busy"}
	maxBody    = int64(200)
	operations = "/api/v1/shelf"
)

type bookInput struct {
	Body struct {
		Title string `json:"title" maxLength:"20"`
	}
}

type book struct {
	Title string `json:"title"`
}

// shelf is an API of one operation, which answers with err or with the book that it was
// given.
func shelf(t *testing.T, roles []models.Role, err *error) *jsonapi.API {
	t.Helper()
	a := jsonapi.New(jsonapi.Options{
		Title: "Shelf", Description: "Books.", Prefix: operations, Cookie: "shelf", MaxBody: maxBody,
		Problem: func(err error) huma.StatusError {
			switch {
			case errors.Is(err, errFull):
				return jsonapi.NewProblem(full)
			case errors.Is(err, errBusy):
				return jsonapi.ProblemAfter(busy, 1500*time.Millisecond)
			}
			return nil
		},
	})
	jsonapi.Register(a, jsonapi.Operation{
		Operation: huma.Operation{OperationID: "add-book", Method: http.MethodPost, Path: "/books"}, Roles: roles, Problems: []jsonapi.Kind{full, busy},
	}, func(_ context.Context, _ auth.Principal, in *bookInput) (book, error) {
		return book{in.Body.Title}, *err
	})
	if err := a.Finish(); err != nil {
		t.Fatal(err)
	}
	return a
}

func post(t *testing.T, r *authtest.Rig, body string) (status int, header http.Header, answer map[string]any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+operations+"/books", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer "+r.Provider.Token(885))
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %d and no JSON: %v", body, got.StatusCode, err)
	}
	return got.StatusCode, got.Header, answer
}

// What a request that cannot be used, a refusal and a failure look like to a program.
func TestProblems(t *testing.T) {
	t.Parallel()
	var failed error
	a := shelf(t, nil, &failed)
	r := authtest.New(t, authtest.Options{})
	r.Serve(a.Routes())
	if status, header, answer := post(t, r, `{"title":"War and Peace"}`); status != http.StatusOK || answer["title"] != "War and Peace" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %v", status, answer, header)
	}
	for name, c := range map[string]struct {
		body   string
		err    error
		status int
		code   string
		wait   string
	}{
		"not JSON":            {`{`, nil, http.StatusBadRequest, "bad_request", ""},
		"a field twice":       {`{"title":"a","title":"b"}`, nil, http.StatusBadRequest, "bad_request", ""},
		"broken text":         {"{\"title\":\"\xff\"}", nil, http.StatusBadRequest, "bad_request", ""},
		"against the schema":  {`{"title":"secret words that are too long"}`, nil, http.StatusUnprocessableEntity, "invalid", ""},
		"too large":           {`{"title":"` + strings.Repeat("x", 300) + `"}`, nil, http.StatusRequestEntityTooLarge, "too_large", ""},
		"a refusal":           {`{"title":"a"}`, fmt.Errorf("adding: %w", errFull), http.StatusConflict, "full", ""},
		"a wait":              {`{"title":"a"}`, errBusy, http.StatusTooManyRequests, "busy", "2"},
		"a problem as it is":  {`{"title":"a"}`, fmt.Errorf("adding: %w", jsonapi.NewProblem(full)), http.StatusConflict, "full", ""},
		"an unexpected error": {`{"title":"a"}`, errors.New("secret words"), http.StatusServiceUnavailable, "unavailable", "5"},
	} {
		failed = c.err
		status, header, answer := post(t, r, c.body)
		if status != c.status || answer["code"] != c.code || answer["type"] != "urn:referral:problem:"+c.code || header.Get("Retry-After") != c.wait ||
			header.Get("Content-Type") != "application/problem+json" || strings.Contains(fmt.Sprint(answer), "secret") {
			t.Errorf("%s: %d %v %v", name, status, answer, header)
		}
	}
}

// The document has every operation with its problems, and is open to anyone.
func TestDocument(t *testing.T) {
	t.Parallel()
	var failed error
	for _, roles := range [][]models.Role{nil, {models.RoleFinance}} {
		a := shelf(t, roles, &failed)
		for _, route := range a.Routes() {
			if open := strings.Contains(route.Pattern, "/openapi."); open != (route.Access == auth.Anyone) || !open && len(route.Roles) != len(roles) {
				t.Errorf("%s: %s for %v", route.Pattern, route.Access, route.Roles)
			}
			if !strings.HasSuffix(route.Pattern, "/openapi.json") {
				continue
			}
			answer := httptest.NewRecorder()
			route.Handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
			var document struct {
				Paths map[string]map[string]struct {
					Responses map[string]struct{ Headers map[string]any }
				}
				Components struct{ Schemas map[string]any }
			}
			if err := json.Unmarshal(answer.Body.Bytes(), &document); err != nil {
				t.Fatal(err)
			}
			responses := document.Paths[operations+"/books"]["post"].Responses
			for _, status := range []string{"200", "400", "401", "403", "409", "413", "422", "429", "500", "503"} {
				if _, ok := responses[status]; !ok {
					t.Errorf("no answer %s is documented: %v", status, responses)
				}
			}
			if responses["429"].Headers["Retry-After"] == nil || responses["409"].Headers["Retry-After"] != nil || document.Components.Schemas["Problem"] == nil || document.Components.Schemas["ErrorModel"] != nil {
				t.Errorf("%s", answer.Body)
			}
		}
	}
}
