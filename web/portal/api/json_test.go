package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"referral/web/auth"
	"referral/web/portal"
)

// codeRecorder is a service that records the codes entered.
type codeRecorder struct {
	portal.Service
	codes []string
}

func (r *codeRecorder) Activate(_ context.Context, _ int64, request portal.ActivationRequest) (portal.ActivationResult, error) {
	r.codes = append(r.codes, request.Code)
	return portal.ActivationResult{Accepted: true}, nil
}

// A request that encoding/json would alter is refused.
func TestInvalidJSONIsRefused(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{`{"code":"ABC"}`, http.StatusOK, "ABC"},
		{`{"code":"\ud83d\ude00"}`, http.StatusOK, "\U0001F600"},
		{`{"code":"ABC","CODE":"DEF","more":{"a":[1,null]}}`, http.StatusOK, "ABC"},
		{`{"code":"\ud800"}`, http.StatusBadRequest, ""},
		{`{"code":"A\udc00\ud800"}`, http.StatusBadRequest, ""},
		{"{\"code\":\"A\xff\"}", http.StatusBadRequest, ""},
		{`{"code":"ABC","code":"DEF"}`, http.StatusBadRequest, ""},
		{"\ufeff" + `{"code":"ABC"}`, http.StatusBadRequest, ""},
		{`{"code":"ABC"}{}`, http.StatusBadRequest, ""},
	} {
		service := &codeRecorder{}
		request := httptest.NewRequestWithContext(auth.WithPrincipal(t.Context(), auth.Principal{AccountID: 885}), http.MethodPost, "/api/v1/activations", strings.NewReader(c.body))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		for _, route := range newAPI(t, service).Routes() {
			if route.Pattern == "POST /api/v1/activations" {
				route.Handler.ServeHTTP(answer, request)
			}
		}
		if got := strings.Join(service.codes, ","); answer.Code != c.status || got != c.code {
			t.Errorf("%q: status %d and code %q, want %d and %q: %s", c.body, answer.Code, got, c.status, c.code, answer.Body)
		}
	}
}
