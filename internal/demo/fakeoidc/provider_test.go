package fakeoidc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	protocol "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

const (
	back = "http://127.0.0.1:1/callback"
	out  = "http://127.0.0.1:1/out"
)

// caller is the registered client, and somebody's browser, in one.
type caller struct {
	*testing.T
	*Provider
	http     *http.Client
	verifier string
}

func start(t *testing.T, o Options) *caller {
	t.Helper()
	o.RedirectURIs, o.PostLogoutURIs = []string{back}, []string{out}
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &caller{t, p, browser, oauth2.GenerateVerifier()}
}

// answer is what came, and where it leads.
type answer struct {
	status int
	header http.Header
	body   string
	to     *url.URL
}

func (c *caller) ask(r *http.Request, err error) answer {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
	got, err := c.http.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		c.Fatal(err)
	}
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil {
		c.Fatal(err)
	}
	return answer{got.StatusCode, got.Header, string(body), to}
}

func (c *caller) get(target string) answer {
	c.Helper()
	return c.ask(http.NewRequestWithContext(c.Context(), http.MethodGet, target, http.NoBody))
}

func (c *caller) post(target string, form url.Values, password string) answer {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if password != "" {
			r.SetBasicAuth(ClientID, password)
		}
	}
	return c.ask(r, err)
}

// authorize asks for a sign-in that is as it should be, but for the changes; an
// empty value takes a parameter away.
func (c *caller) authorize(changes map[string]string) answer {
	c.Helper()
	q := map[string]string{
		"client_id": ClientID, "redirect_uri": back, "response_type": "code", "scope": "openid", "state": "s", "nonce": "n",
		"code_challenge": oauth2.S256ChallengeFromVerifier(c.verifier), "code_challenge_method": "S256",
	}
	maps.Copy(q, changes)
	values := url.Values{}
	for name, value := range q {
		if value != "" {
			values.Set(name, value)
		}
	}
	return c.get(c.Issuer() + "/authorize?" + values.Encode())
}

// code signs somebody in, and stops before the client.
func (c *caller) code(account string) string {
	c.Helper()
	page := c.authorize(nil)
	chosen := c.post(c.Issuer()+"/sign-in", url.Values{"id": {page.to.Query().Get("id")}, "account": {account}}, "")
	led := c.get(chosen.to.String())
	code := led.to.Query().Get("code")
	if code == "" || !strings.HasPrefix(led.to.String(), back) || led.to.Query().Get("state") != "s" {
		c.Fatalf("led to %s: %s", led.to, led.body)
	}
	return code
}

// tokens gives a code back, as it should be but for the changes.
func (c *caller) tokens(code, secret string, changes map[string]string) answer {
	c.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {c.verifier}}
	for name, value := range changes {
		form.Set(name, value)
	}
	return c.post(c.Issuer()+"/oauth/token", form, secret)
}

// A sign-in as it should be gives tokens that a strict reader accepts, and that
// name the account in the claim, not in the subject.
func TestSignIn(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	var got struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(c.tokens(c.code("885"), c.ClientSecret(), nil).body), &got); err != nil {
		t.Fatal(err)
	}
	provider, err := oidc.NewProvider(t.Context(), c.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	for audience, token := range map[string]string{ClientID: got.ID, Audience: got.Access} {
		verified, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := verified.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if claims["account_id"] != float64(885) || verified.Subject == "885" {
			t.Errorf("the token for %s says %v", audience, claims)
		}
	}
}

func TestSignInsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for name, change := range map[string]map[string]string{
		"no PKCE":             {"code_challenge": "", "code_challenge_method": ""},
		"PKCE without a hash": {"code_challenge_method": "plain"},
		"no method":           {"code_challenge_method": ""},
		"no state":            {"state": ""},
		"no nonce":            {"nonce": ""},
	} {
		got := c.authorize(change)
		if !strings.HasPrefix(got.to.String(), back) || got.to.Query().Get("error") != "invalid_request" {
			t.Errorf("%s: %d to %s", name, got.status, got.to)
		}
	}
	// Where the client itself is in doubt, or a token would lie in an address, nobody
	// is led anywhere.
	for name, change := range map[string]map[string]string{
		"another address": {"redirect_uri": "http://127.0.0.1:1/elsewhere"},
		"no address":      {"redirect_uri": ""},
		"another client":  {"client_id": "somebody"},
		"another flow":    {"response_type": "id_token token"},
	} {
		if got := c.authorize(change); got.status != http.StatusBadRequest || got.to.String() != "" {
			t.Errorf("%s: %d to %s", name, got.status, got.to)
		}
	}
}

func TestCodesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	for name, try := range map[string]func(code string) answer{
		"another verifier": func(code string) answer {
			return c.tokens(code, c.ClientSecret(), map[string]string{"code_verifier": oauth2.GenerateVerifier()})
		},
		"no verifier": func(code string) answer {
			return c.tokens(code, c.ClientSecret(), map[string]string{"code_verifier": ""})
		},
		"another address": func(code string) answer {
			return c.tokens(code, c.ClientSecret(), map[string]string{"redirect_uri": out})
		},
		"another secret": func(code string) answer { return c.tokens(code, "guess", nil) },
		"no secret":      func(code string) answer { return c.tokens(code, "", map[string]string{"client_id": ClientID}) },
		"a second time": func(code string) answer {
			c.tokens(code, c.ClientSecret(), nil)
			return c.tokens(code, c.ClientSecret(), nil)
		},
		"another code": func(string) answer { return c.tokens("guess", c.ClientSecret(), nil) },
	} {
		code := c.code("885")
		if got := try(code); got.status < 400 || strings.Contains(got.body, "id_token") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if got := c.tokens(code, c.ClientSecret(), nil); name != "another code" && strings.Contains(got.body, "id_token") {
			t.Errorf("after %s the code is still good", name)
		}
	}
}

// The page offers clients and takes any number, says what is wrong with what is
// none, and loads nothing from elsewhere.
func TestSignInPage(t *testing.T) {
	t.Parallel()
	offer := func(context.Context) ([]Client, error) {
		return []Client{{AccountID: 885, Why: "<b>самый</b>"}, {AccountID: 901}}, nil
	}
	c := start(t, Options{Offer: offer})
	at := c.authorize(nil).to
	page := c.get(at.String())
	for _, part := range []string{`lang="ru"`, "Клиент 885", "&lt;b&gt;самый", `value="901"`} {
		if !strings.Contains(page.body, part) {
			t.Errorf("the page lacks %s: %s", part, page.body)
		}
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.HasSuffix(policy, "form-action 'self' http://127.0.0.1:1") {
		t.Errorf("the policy is %s", policy)
	}
	if strings.Contains(page.body, "http:") || strings.Contains(page.body, "https:") {
		t.Errorf("the page leads elsewhere: %s", page.body)
	}
	if css := c.get(c.Issuer() + stylePath); !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style is %v", css.header)
	}
	id := at.Query().Get("id")
	for _, typed := range []string{"", "0", "-1", "1.5", "abc", "9999999999999999999", "<script>"} {
		got := c.post(c.Issuer()+signInPath, url.Values{"id": {id}, "account": {typed}}, "")
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "Нужен номер клиента") || strings.Contains(got.body, "<script>") {
			t.Errorf("%q: %d %s", typed, got.status, got.body)
		}
	}
	choose := func(id string) int {
		return c.post(c.Issuer()+signInPath, url.Values{"id": {id}, "account": {" 885 "}}, "").status
	}
	if first, second, other := choose(id), choose(id), choose("guess"); first != http.StatusSeeOther || second != http.StatusNotFound || other != http.StatusNotFound {
		t.Errorf("chosen once %d, twice %d, for nothing %d", first, second, other)
	}
	if got := c.get(c.Issuer() + signInPath + "?id=guess"); got.status != http.StatusNotFound {
		t.Errorf("a page for nothing: %d", got.status)
	}
}

// Without its list the page still takes a number.
func TestSignInPageWithoutAnOffer(t *testing.T) {
	t.Parallel()
	for name, offer := range map[string]func(context.Context) ([]Client, error){
		"none": nil, "broken": func(context.Context) ([]Client, error) { return nil, errors.New("the database is away") },
	} {
		c := start(t, Options{Offer: offer})
		if page := c.get(c.authorize(nil).to.String()); page.status != http.StatusOK || !strings.Contains(page.body, "Номер любого клиента") {
			t.Errorf("%s: %d %s", name, page.status, page.body)
		}
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	leave := func(to string) answer {
		return c.get(c.Issuer() + "/end_session?" + url.Values{
			"id_token_hint": {c.Token(885, c.AsIDToken)}, "client_id": {ClientID}, "post_logout_redirect_uri": {to},
		}.Encode())
	}
	if got := leave(out); got.to.String() != out {
		t.Errorf("led to %s: %d %s", got.to, got.status, got.body)
	}
	if got := leave("https://evil.example"); got.status < 400 || got.to.String() != "" {
		t.Errorf("led to %s: %d", got.to, got.status)
	}
}

// Anybody can be anybody here, so nobody but this machine may come.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0"} {
		if p, err := Start(t.Context(), Options{Address: address}); err == nil {
			_ = p.Stop()
			t.Errorf("it listens on %s", address)
		}
	}
}

// However many sign-ins are begun, few are kept.
func TestSignInsAreBounded(t *testing.T) {
	t.Parallel()
	m := newStorage(&Provider{})
	for range 2*requestsAtAll + 1 {
		begun := &protocol.AuthRequest{State: "s", Nonce: "n", CodeChallenge: "c", CodeChallengeMethod: protocol.CodeChallengeMethodS256}
		if _, err := m.CreateAuthRequest(t.Context(), begun, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.requests) > requestsAtAll {
		t.Errorf("%d are kept", len(m.requests))
	}
}
