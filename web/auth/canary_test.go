package auth_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/expfmt"

	"referral/internal/demo/fakeoidc"
	"referral/web/auth"
	"referral/web/auth/authtest"
)

// secretRecorder is a browser's transport that records every secret: cookies, codes,
// states, tokens.
type secretRecorder struct {
	mu      sync.Mutex
	secrets map[string]string // what it is, by value
}

func (o *secretRecorder) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range append(answer.Cookies(), r.Cookies()...) {
		o.secrets[c.Value] = "cookie " + c.Name
	}
	to, err := url.Parse(answer.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	for _, q := range []url.Values{r.URL.Query(), to.Query()} {
		for _, name := range []string{"code", "state", "nonce", "code_challenge", "id_token_hint", "return"} {
			o.secrets[q.Get(name)] = name
		}
	}
	return answer, nil
}

// Neither the log nor the metrics contain a secret or an account.
func TestSecretsStayOutOfLogAndMetrics(t *testing.T) {
	memory := authtest.NewMemory()
	r := authtest.New(t, authtest.Options{Sessions: memory})
	r.Serve(append(routes(), auth.Route{Pattern: "GET /referral/broken", Access: auth.SignedInPage, Handler: http.HandlerFunc(
		func(_ http.ResponseWriter, q *http.Request) { panic(q.Header.Get("Cookie")) })}))
	recorder := &secretRecorder{secrets: map[string]string{r.Provider.ClientSecret(): "client secret", "4242885": "account"}}
	browser := r.Browser()
	browser.Transport = recorder
	r.SignIn(browser, 4242885, "/referral/friends/79001234567")
	r.Get(browser, "/referral/broken")
	r.Get(browser, authtest.CallbackPath+"?code=geheimer-code&state=geheimer-zustand&error=geheim")
	showTokens(t, r, recorder)
	memory.Fail(io.ErrUnexpectedEOF)
	r.Get(browser, "/referral/friends/79001234567")
	r.SignIn(browser, 4242885, "")
	memory.Fail(nil)
	r.Post(browser, authtest.SignOutPath, nil)

	for _, kind := range []string{"cookie referral", "cookie referral-sign-in", "code", "state", "nonce", "code_challenge", "id_token_hint", "token"} {
		if !recorded(recorder, kind) {
			t.Errorf("no %s was recorded, so none can be searched for", kind)
		}
	}
	output := r.Log.String() + metricsText(t, r)
	if !strings.Contains(output, "a request failed") || !strings.Contains(output, "referral_auth_sign_ins_total") {
		t.Fatalf("the output lacks the failures:\n%s", output)
	}
	for secret, what := range recorder.secrets {
		if len(secret) >= 7 && strings.Contains(output, secret) {
			t.Errorf("the %s %q is in the output", what, secret)
		}
	}
	for _, word := range []string{"geheim", "79001234567"} {
		if strings.Contains(output, word) {
			t.Errorf("%q is in the output:\n%s", word, output)
		}
	}
}

func showTokens(t *testing.T, r *authtest.Rig, recorder *secretRecorder) {
	t.Helper()
	for _, token := range []string{r.Provider.Token(4242885), r.Provider.Token(4242885, fakeoidc.Expired), "geheim.geheim.geheim"} {
		recorder.secrets[token] = "token"
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/api/v1/standing", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
}

func recorded(recorder *secretRecorder, kind string) bool {
	for secret, what := range recorder.secrets {
		if what == kind && len(secret) >= 7 {
			return true
		}
	}
	return false
}

func metricsText(t *testing.T, r *authtest.Rig) string {
	t.Helper()
	families, err := r.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}
