package pages_test

import (
	"context"
	"encoding/json"
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

func (w *world) PersonalData(_ context.Context, account int64) (h models.AccountHistory, tables map[string][]json.RawMessage, found bool, err error) {
	if account != 885 {
		return h, nil, false, nil
	}
	h.Account.ID = account
	return h, map[string][]json.RawMessage{"accounts": {json.RawMessage(`{"account_id": 885, "name": "<b>Ромашка"}`)}}, true, nil
}

func (w *world) RecordAction(_ context.Context, a models.OperatorAction) error { return w.record(a) }

// All that is stored about a client is taken away as a file, which is recorded.
func TestHandingOutPersonalData(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	support := as(r, models.RoleSupport)
	const path = "/finance/clients/885/personal-data"
	if got := r.Get(support, "/finance/clients/885"); !strings.Contains(got.Body, `action="`+path+`"`) {
		t.Error("the client's page does not offer the data")
	}
	for format, want := range map[string]string{"html": "<dd>&lt;b&gt;Ромашка</dd>", "json": `"account_id": 885`} {
		got := r.Post(support, path, url.Values{"format": {format}})
		if got.Status != http.StatusOK || !strings.Contains(got.Body, want) || !strings.Contains(got.Header.Get("Content-Disposition"), "client-885."+format) {
			t.Errorf("%s: %d %v %s", format, got.Status, got.Header, got.Body)
		}
	}
	if got := r.Post(support, path, url.Values{"format": {"exe"}}); got.Status != http.StatusBadRequest {
		t.Errorf("an unknown format: %d", got.Status)
	}
	if got := r.Post(support, "/finance/clients/999/personal-data", url.Values{"format": {"json"}}); got.Status != http.StatusNotFound {
		t.Errorf("an unknown client: %d", got.Status)
	}
	recorded := 0
	for _, a := range w.recorded {
		if a.What == models.ActionExportPerson && a.Subject == "885" && a.Role == models.RoleSupport && a.Who != "" {
			recorded++
		}
	}
	if recorded != 2 {
		t.Errorf("%d acts are recorded: %+v", recorded, w.recorded)
	}
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
