package config

import (
	"fmt"
	"strings"
	"testing"
)

// signIn is a section that is as it should be, with further settings.
func signIn(more string) string {
	return "cabinet: {public_url: https://lk.example.ru, sign_in: {issuer: https://id.example.ru, client_id: referral, " + more + "}}"
}

func TestCabinetSettings(t *testing.T) {
	for _, fine := range []string{
		"cabinet: {public_url: https://lk.example.ru}",
		"cabinet: {public_url: \"http://localhost:8080\"}",
		"http: {cabinet: \"10.0.0.5:8080\"}", // nobody can sign in: no cookie is ever set
		signIn("client_secret: geheim, audience: referral-api"),
		signIn("client_secret_file: /run/secret, scopes: [openid, profile]"),
		"cabinet: {sign_in: {issuer: \"http://127.0.0.1:9000\", client_id: referral, client_secret: geheim}}",
	} {
		if _, err := Load(fileOf(t, fine), true, nil); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"cabinet: {public_url: \"http://lk.example.ru\"}", `cabinet.public_url: "http://lk.example.ru" must be https`},
		{"cabinet: {public_url: https://example.ru/lk}", "cabinet.public_url: \"https://example.ru/lk\" has a path"},
		{"cabinet: {public_url: lk.example.ru}", "cabinet.public_url:"},
		{"cabinet: {sign_in: {client_id: referral}}", "cabinet.sign_in.issuer: other settings"},
		{"cabinet: {sign_in: {client_secret_file: f}}", "cabinet.sign_in.issuer: other settings"},
		{"cabinet: {sign_in: {ca_file: f}}", "cabinet.sign_in.issuer: other settings"},
		{"cabinet: {sign_in: {issuer: \"http://127.0.0.1:9000\", client_id: referral, client_secret: geheim, ca_file: f}}", "cabinet.sign_in.ca_file: authorities are given, but the issuer is http"},
		{signIn("audience: api"), "cabinet.sign_in.client_secret: give either"},
		{signIn("client_secret: geheim, client_secret_file: f"), "cabinet.sign_in.client_secret: give either"},
		{signIn("client_secret: geheim, audience: referral"), "cabinet.sign_in: the audience of the API is the client id"},
		{signIn("client_secret: geheim, account_claim: \"\""), "cabinet.sign_in: no name of the claim"},
		{signIn("client_secret: geheim, scopes: [profile]"), "cabinet.sign_in: without the scope openid"},
		{signIn("client_secret: geheim, scopes: [openid, a b]"), `cabinet.sign_in.scopes: "a b" is not a scope`},
		{strings.Replace(signIn("client_secret: geheim"), "https://id", "http://id", 1), "cabinet.sign_in: the issuer: \"http://id.example.ru\" must be https"},
		{"cabinet: {session: {idle: 1s}}", "cabinet.session.idle: 1s must be 1m0s to 24h0m0s"},
		{"cabinet: {session: {lifetime: 721h}}", "cabinet.session.lifetime: 721h0m0s must be"},
		{"cabinet: {session: {idle: 2h, lifetime: 1h}}", "cabinet.session.lifetime: 1h0m0s is shorter than cabinet.session.idle"},
	} {
		t.Run(c.text, func(t *testing.T) {
			_, err := Load(fileOf(t, c.text), true, nil)
			wantError(t, err, "config.yaml:1: ", c.want)
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Error(err)
			}
		})
	}
}

// Who can sign in must be sent somewhere safe: an address in the network is no
// place that one can guess.
func TestSigningInNeedsAPublicURL(t *testing.T) {
	text := "http: {cabinet: \"10.0.0.5:8080\"}\ncabinet: {sign_in: {issuer: https://id.example.ru, client_id: referral, client_secret: geheim}}"
	_, err := Load(fileOf(t, text), true, nil)
	wantError(t, err, "cabinet.public_url: needed for signing in")
}

func TestPublicURL(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://localhost:8080", "0.0.0.0:80": "http://localhost:80",
		"[::]:8080": "http://localhost:8080", "[::1]:8080": "http://[::1]:8080", "10.0.0.5:80": "http://10.0.0.5:80",
	} {
		c := defaultCabinet()
		if got := c.Public(addr); got != want {
			t.Errorf("%s is found at %s, want %s", addr, got, want)
		}
	}
	c := Cabinet{PublicURL: "https://lk.example.ru/"}
	if got := c.Public("127.0.0.1:8080"); got != "https://lk.example.ru" {
		t.Errorf("got %s", got)
	}
}

func TestClientSecret(t *testing.T) {
	s := SignIn{Issuer: "https://id.example.ru", ClientID: "referral", ClientSecretFile: fileOf(t, "geheim\n")}
	if d, err := s.Auth(); err != nil || d.ClientSecret != "geheim" || d.ClientID != "referral" {
		t.Errorf("got %v", err)
	}
	for path, want := range map[string]string{fileOf(t, "\n"): "is empty", "/absent": "/absent"} {
		s.ClientSecretFile = path
		_, err := s.Auth()
		wantError(t, err, "cabinet.sign_in.client_secret_file", want)
	}
	s.ClientSecretFile, s.ClientSecret = "", "geheim"
	if d, err := s.Auth(); err != nil || d.ClientSecret != "geheim" {
		t.Errorf("got %v", err)
	}
	c := Default()
	c.Cabinet.SignIn = s
	for _, shown := range []string{c.String(), fmt.Sprintf("%+v %#v", *c, *c)} {
		if strings.Contains(shown, "geheim") {
			t.Errorf("the secret is shown in %s", shown)
		}
	}
}
