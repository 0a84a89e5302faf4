package pages_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"referral/web/auth/authtest"
	"referral/web/portal/pages"
)

// behind returns the pages behind a real authenticator.
func behind(t *testing.T) (*authtest.Rig, *pages.Pages) {
	t.Helper()
	p, err := pages.New(pages.Options{Service: scenes(), Now: func() time.Time { return now }, Zone: moscow})
	if err != nil {
		t.Fatal(err)
	}
	return authtest.New(t, authtest.Options{Page: p.ErrorPage}), p
}

func TestAccessMatrix(t *testing.T) {
	rig, p := behind(t)
	rig.Matrix(t, authtest.Matrix{
		Routes: p.Routes(), Own: inviter, Other: empty,
		Paths: map[string]string{
			"GET /referral/history/{invoice}": "/referral/history/INV-2026-04-885",
			"GET /referral/opt-out/{token}":   "/referral/opt-out/" + goodToken,
			"POST /referral/opt-out/{token}":  "/referral/opt-out/" + goodToken,
			"GET /referral/assets/{name}":     "/referral/assets/none",
		},
		Bodies: map[string]authtest.Body{
			"POST /referral/activate": {ContentType: form, Text: "code=unknown"},
			"POST /referral/invite":   {ContentType: form, Text: "channel=email&email=never%40example.ru"},
		},
		Secrets: []string{"Резервация", "anna.petrova@", "ООО «Ю***»", "1204", "3\u00a0450,00", "−1\u00a0122,58"},
	})
}

const form = "application/x-www-form-urlencoded"

func TestContentSecurityPolicy(t *testing.T) {
	rig, p := behind(t)
	rig.Serve(p.Routes())
	answer := rig.Get(rig.SignedIn(inviter), "/referral")
	policy := answer.Header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self'", "style-src 'self'", "img-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestErrorPagesOfAuthHaveTheLayout(t *testing.T) {
	rig, p := behind(t)
	rig.Serve(p.Routes())
	for path, says := range map[string]string{"/referral/nowhere": "Страница не найдена", authtest.SignedOutPath: "Вы вышли"} {
		answer := rig.Get(rig.Browser(), path)
		doc, err := html.Parse(strings.NewReader(answer.Body))
		if err != nil {
			t.Fatal(err)
		}
		if text := words(doc); !strings.Contains(text, says) || !strings.Contains(text, "Личный кабинет") || strings.ContainsAny(text, "ёЁ") {
			t.Errorf("%s says %q", path, text)
		}
	}
}
