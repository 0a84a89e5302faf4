package portal

import (
	"strings"
	"testing"

	"referral/web/auth/authtest"
)

// Every operation behind the real authenticator, in every role.
func TestAccessMatrix(t *testing.T) {
	t.Parallel()
	r := furnished(t)
	r.expect(r.invite(885, "email", "friend885@example.com", ""), 201, nil)
	rig := authtest.New(t, authtest.Options{Sessions: r.store})
	json := func(text string) authtest.Body { return authtest.Body{ContentType: "application/json", Text: text} }
	rig.Matrix(t, authtest.Matrix{
		Routes: r.api.Routes(), Own: 885, Other: 886,
		Paths: map[string]string{"GET /api/v1/invoices/{invoice_id}/explanation": "/api/v1/invoices/INV-2026-04-885/explanation"},
		Bodies: map[string]authtest.Body{
			"POST /api/v1/activations": json(`{"code":"QQQQQQQQQ"}`),
			"POST /api/v1/invitations": json(`{"channel":"email","recipient":"friend@example.com"}`),
			"POST /api/v1/membership":  json(`{}`),
		},
		Secrets: []string{"Резервация-885", r.codeOf(885), "INV-2026-04-885", `"account_id":8850`, `"friend_id":8850`, "friend885@example.com", `"formula":"3 000.00 × 2600 / (100 × 30) = 2 600.00"`},
	})
	log := rig.Log.String()
	for _, secret := range []string{"Резервация", r.codeOf(885), "friend885@", "friend@", "QQQQQQQQQ"} {
		if strings.Contains(log, secret) {
			t.Errorf("%q stands in the log", secret)
		}
	}
}
