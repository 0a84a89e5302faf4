package portal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"referral/models"
	"referral/web/portal"
)

// Neither the log nor the metrics nor problems contain a name, tax id, address, number,
// code, token or cursor.
func TestNoPersonalDataIsLogged(t *testing.T) {
	t.Parallel()
	b := &broken{}
	r := furnished(t, func(o *portal.Options) { b.Store, o.Store = o.Store, b })
	code := r.codeOf(885)
	var problems strings.Builder
	note := func(a answer) {
		if a.status >= http.StatusBadRequest {
			problems.WriteString(a.text)
		}
	}
	everything := func() {
		for _, path := range []string{"/standing", "/friends?limit=1", "/changes", "/months", "/invitations", "/invoices/INV-2026-04-885/explanation", "/friends?cursor=canarycursor"} {
			note(r.get(885, path))
			note(r.get(7, path))
		}
		note(r.enter(8850, code, "canarykey"))
		note(r.enter(903, "CANARYCODE", ""))
		note(r.invite(885, "email", "canary@example.com", "canarykey"))
		note(r.invite(885, "sms", "+7 916 555-44-33", "canarykey2"))
		note(r.invite(885, "email", "canary@", ""))
		note(r.call(call{account: 885, method: http.MethodPost, path: "/activations", body: map[string]any{"code": strings.Repeat("CANARY", 20)}}))
	}
	everything()
	b.away = true
	everything()
	_ = r.store.Close()
	everything()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var metrics strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&metrics, f); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(metrics.String(), `referral_portal_activations_total{outcome="failed"}`) || problems.Len() == 0 || r.log.Len() == 0 {
		t.Errorf("nothing went wrong, so nothing was tested: %s %s", metrics.String(), r.log.String())
	}
	for where, text := range map[string]string{"the log": r.log.String(), "the metrics": metrics.String(), "the problems": problems.String()} {
		for _, secret := range []string{
			"Резервация", "77000000", "canary", "CANARY", "79160000", "79165554433", "555-44", code, r.codeIn(885), "192.0.2.1", errLost.Error(),
		} {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("%q stands in %s:\n%s", secret, where, text)
			}
		}
	}
}

func (r *fixture) codeIn(account int64) (code string) {
	if err := r.db.QueryRow("SELECT code FROM accounts WHERE account_id = $1", account).Scan(&code); err != nil {
		r.Fatal(fmt.Errorf("reading a code: %w", err))
	}
	return code
}

var _ = models.Email
