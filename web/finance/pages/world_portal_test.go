package pages_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"referral/models"
)

// clientPages shows a client's pages as one line of text each.
type clientPages struct{ world *world }

func (c clientPages) Show(w http.ResponseWriter, _ *http.Request, account int64, page, base string) (found bool, err error) {
	if account != 885 || page == "invite" || c.world.err != nil {
		return false, c.world.err
	}
	_, err = fmt.Fprintf(w, "page %q of %d at %s", page, account, base)
	return true, err
}

func (clientPages) Asset(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "asset "+r.PathValue("name"))
}

func (w *world) Invitations(_ context.Context, account int64, _ models.UUID, limit int) (sent []models.Invitation, err error) {
	for n := range min(limit, int(account-874)) {
		sent = append(sent, models.Invitation{AccountID: account, Channel: models.Email, Recipient: fmt.Sprintf("friend-%d@example.org", n), State: models.InvitationOptedOut, CreatedAt: now(), ChangedAt: now()})
	}
	return sent, w.err
}

// What the client sees is one click from its page; whom it invited is masked there.
func TestWhatTheClientSees(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleSupport)
	client := r.Get(browser, "/finance/clients/885").Body
	for _, want := range []string{`href="/finance/clients/885/portal"`, "f***@example.org", "Получатель отказался", "Показаны последние 10"} {
		if !strings.Contains(client, want) {
			t.Errorf("not %q in %s", want, client)
		}
	}
	if strings.Contains(client, "friend-") {
		t.Error("a recipient is shown")
	}
	for path, want := range map[string]string{
		"/finance/clients/885/portal":                       `page "" of 885 at /finance/clients/885/portal`,
		"/finance/clients/885/portal/history/INV%2F1%20%25": `page "history/INV/1 %" of 885`,
		"/finance/portal-assets/portal.css":                 "asset portal.css",
	} {
		if got := r.Get(browser, path); got.Status != http.StatusOK || !strings.Contains(got.Body, want) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	for _, path := range []string{"/finance/clients/x/portal", "/finance/clients/885/portal/invite", "/finance/clients/7/portal"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}
