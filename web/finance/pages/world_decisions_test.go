package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"referral/models"
)

// Client 901 has entered the code of client 885, who has an invoice of April.
func (w *world) ConcernedBy(ctx context.Context, d models.StaffDecision) ([]models.AccountHistory, map[string]int64, error) {
	inviter, _, err := w.AccountHistory(ctx, 885)
	inviter.Referrals = []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: now().AddDate(0, -2, 0)}}
	invitee := models.AccountHistory{
		Account:     models.Account{ID: 901, RegisteredAt: now().AddDate(0, -2, 0)},
		Activations: []*models.Activation{{AccountID: 901, Code: "K7M2QX9PA", RequestedAt: now().AddDate(0, -2, 0), Status: models.ActivationAccepted, InviterID: 885}},
	}
	if d.Kind == models.DecisionAcceptCode {
		inviter.Referrals, invitee.Activations = nil, nil
	}
	return []models.AccountHistory{inviter, invitee}, map[string]int64{"K7M2QX9PA": 885}, err
}

func (w *world) Decide(ctx context.Context, d models.StaffDecision, act models.OperatorAction,
	_ func(*models.WorkingSet, models.StaffDecision) (models.StaffDecision, error), _ models.DeriveFunc,
) (models.StaffDecision, error) {
	w.decided = append(w.decided, d)
	return d, w.record(act)
}

// A revocation is previewed in money for the account that it touches, proposed with a
// reason, and taken by another person.
func TestRevokingAReferral(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	accountant, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	got := r.Get(accountant, "/finance/clients/901/revoke?from=")
	body := strings.ReplaceAll(got.Body, "\u00a0", " ")
	for _, want := range []string{"Отозвать приведение", "с самого начала", "INV-1", "600,00 ₽", "клиентов: 1", "Отправить на утверждение"} {
		if got.Status != http.StatusOK || got.URL.Path != "/finance/acts/revoke/901 from the start" || !strings.Contains(body, want) {
			t.Errorf("%d %s, no %q: %s", got.Status, got.URL, want, body)
		}
	}
	got = r.Post(accountant, got.URL.EscapedPath(), url.Values{"reason": {"оформлено на себя"}})
	if got.URL.Path != "/finance/proposals/2" || len(w.decided) != 0 || !strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "600,00 ₽") {
		t.Fatalf("%s %v %s", got.URL, w.decided, got.Body)
	}
	if got := r.Post(controller, "/finance/proposals/2/approve", nil); got.Status != http.StatusOK || len(w.decided) != 1 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if d := w.decided[0]; d.Kind != models.DecisionRevoke || d.AccountID != 901 || d.From != models.FromTheStart || d.By != "Анна Котова" || d.Reason != "оформлено на себя" || d.ID == (models.UUID{}) {
		t.Errorf("decided is %+v", d)
	}
}

// A code that was accepted is not all: the client hears that the referral is revoked.
func TestRevokedReferralIsShown(t *testing.T) {
	t.Parallel()
	r := site(t, &world{revoked: true})
	if got := r.Get(as(r, models.RoleSupport), "/finance/clients/885"); !strings.Contains(got.Body, "Принят") || !strings.Contains(got.Body, "<td>Y</td>") || !strings.Contains(got.Body, "приведение отозвано с самого начала") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// What cannot be decided is said in words, before anything is proposed.
func TestImpossibleDecisions(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	support, accountant := as(r, models.RoleSupport), as(r, models.RoleFinance)
	for path, want := range map[string]string{
		"/finance/clients/901/revoke?from=2026-05":                              "Укажите день полностью",
		"/finance/clients/901/revoke?from=2020-01-01":                           "Приведение началось позже этого дня",
		"/finance/clients/885/accept-code?code=QQQQQQQQQ":                       "Клиент не вводил этот код",
		"/finance/clients/885/accept-code?code=QQQQQQQQQ&on=2026":               "Укажите день полностью",
		"/finance/acts/undo/901%20decision%20" + rejectedDocument:               "Такого решения нет",
		"/finance/acts/accept-code/901%20QQQQQQQQQ%20at%202026-04-01T09:00:00Z": "Такого кода ни у кого нет",
	} {
		browser := accountant
		if strings.Contains(path, "accept-code") {
			browser = support
		}
		if got := r.Get(browser, path); got.Status != http.StatusConflict || !strings.Contains(got.Body, want) || !strings.Contains(got.Body, "К клиенту") || strings.Contains(got.Body, "Отправить на утверждение") {
			t.Errorf("%s: %d, no %q in %s", path, got.Status, want, got.Body)
		}
	}
	on := now().AddDate(0, 0, -1).Format(time.DateOnly)
	if got := r.Get(support, "/finance/clients/885/accept-code?code=k7m2qx9pa&on="+on); got.Status != http.StatusConflict || !strings.Contains(got.Body, "собственный код") {
		t.Errorf("an own code: %d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/finance/acts/revoke/901", "/finance/acts/revoke/x%20from%20the%20start", "/finance/clients/x/revoke", "/finance/clients/902/accept-code?code=Q"} {
		if got := r.Get(accountant, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}
