package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/models"
)

func (w *world) Erase(_ context.Context, account int64, act models.OperatorAction) (bool, error) {
	if len(w.erased) > 0 {
		return false, nil
	}
	w.erased = append(w.erased, account)
	return true, w.record(act)
}

// The personal data of a client are erased when a second person agrees, once.
func TestErasingPersonalData(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	support, controller, auditor := as(r, models.RoleSupport), as(r, models.RoleController), as(r, models.RoleAuditor)
	const act = "/finance/acts/erase/885"
	if got := r.Get(support, "/finance/clients/885"); !strings.Contains(got.Body, `href="`+act+`"`) {
		t.Errorf("the client's page does not lead to %s", act)
	}
	if got := r.Get(auditor, "/finance/clients/885"); strings.Contains(got.Body, act) {
		t.Error("an auditor is led to erase")
	}
	if got := r.Get(support, act); got.Status != http.StatusOK || !strings.Contains(got.Body, "Отменить это нельзя") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := r.Post(support, act, url.Values{"reason": {"заявление клиента"}}); got.URL.Path != "/finance/proposals/2" || len(w.erased) != 0 {
		t.Fatalf("%s %v %s", got.URL, w.erased, got.Body)
	}
	if got := r.Post(controller, "/finance/proposals/2/approve", nil); got.Status != http.StatusOK || len(w.erased) != 1 || w.erased[0] != 885 {
		t.Errorf("%d %v %s", got.Status, w.erased, got.Body)
	}
	if got := r.Get(support, "/finance/acts/erase/x"); got.Status != http.StatusNotFound {
		t.Errorf("an account that is not one: %d", got.Status)
	}
}
