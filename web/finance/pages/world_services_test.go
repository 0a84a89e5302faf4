package pages_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/models"
)

// ServiceDecisions is one that has been taken: the terms name its service by now.
func (w *world) ServiceDecisions(context.Context) ([]models.ServiceDecision, error) {
	return append([]models.ServiceDecision{{
		ID: models.UUID{7}, Service: "subscription", Class: models.ServiceExcluded, DecidedAt: now(), By: "Анна", ApprovedBy: "Борис", Reason: payload,
	}}, w.services...), w.err
}

// ForServiceDecision hands over client 885, whose invoice has a line of hologram.
func (w *world) ForServiceDecision(ctx context.Context, begin func([]models.ServiceDecision) (models.ServiceDecision, error), see func(*models.AccountHistory) error) error {
	all, err := w.ServiceDecisions(ctx)
	if err == nil {
		_, err = begin(all)
	}
	c, _, failed := w.AccountHistory(ctx, 885)
	if err != nil || failed != nil {
		return err
	}
	line := c.Invoices[0].Invoice.Lines[0]
	line.ID, line.Service = "2", "hologram"
	c.Invoices[0].Invoice.Lines = append(c.Invoices[0].Invoice.Lines, line)
	c.Invoices[0].Invoice.Services = models.ServicesInForce(all)
	return see(&c)
}

func (w *world) DecideService(ctx context.Context, d models.ServiceDecision, act models.OperatorAction,
	check func([]models.ServiceDecision, models.ServiceDecision) (models.ServiceDecision, error),
) (models.ServiceDecision, error) {
	all, err := w.ServiceDecisions(ctx)
	if err == nil {
		d, err = check(all, d)
	}
	if err == nil {
		err = w.record(act)
	}
	if err == nil {
		w.services = append(w.services, d)
	}
	return d, err
}

// A service that is held is decided about from the queue: one person sees the money and
// proposes, another approves; the queue then names the decision and offers to undo it.
func TestDecidingAboutAService(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	accountant, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	queue := r.Get(accountant, "/finance/queue").Body
	path := "/finance/acts/classify-service/discounted%20hologram"
	for _, want := range []string{`href="` + path + `"`, "Противоречие:", "/finance/acts/undo-service-decision/decision%2007000000"} {
		if !strings.Contains(queue, want) {
			t.Errorf("no %q in %s", want, queue)
		}
	}
	if got := r.Get(controller, "/finance/queue").Body; strings.Contains(got, path) {
		t.Error("a controller is offered to propose")
	}
	got := r.Get(accountant, path)
	body := strings.ReplaceAll(got.Body, "\u00a0", " ")
	for _, want := range []string{"Решить об услуге", "hologram", "Скидка действует", "INV-1", "−1 420,00 ₽", "клиентов: 1"} {
		if got.Status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d, no %q: %s", got.Status, want, body)
		}
	}
	if got = r.Post(accountant, path, url.Values{"reason": {"новая услуга"}}); got.URL.Path != "/finance/proposals/2" || len(w.services) != 0 {
		t.Fatalf("%s %v %s", got.URL, w.services, got.Body)
	}
	if got = r.Post(controller, "/finance/proposals/2/approve", nil); got.Status != http.StatusOK || len(w.services) != 1 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if d := w.services[0]; d.Service != "hologram" || d.Class != models.ServiceDiscounted || d.By != "Анна Котова" || d.Reason != "новая услуга" {
		t.Errorf("decided is %+v", d)
	}
	if queue = r.Get(accountant, "/finance/queue").Body; !strings.Contains(queue, "внесите ее в условия") || !strings.Contains(queue, "новая услуга") {
		t.Errorf("the decision is not named in %s", queue)
	}
	for path, want := range map[string]string{
		"/finance/acts/classify-service/excluded%20hologram":                                  "Об этой услуге уже решено",
		"/finance/acts/classify-service/discounted%20subscription":                            "Услуга уже есть в условиях",
		"/finance/acts/undo-service-decision/decision%2009000000-0000-0000-0000-000000000000": "Такого решения нет",
	} {
		if got := r.Get(accountant, path); got.Status != http.StatusConflict || !strings.Contains(got.Body, want) {
			t.Errorf("%s: %d, no %q in %s", path, got.Status, want, got.Body)
		}
	}
	undo := "/finance/acts/undo-service-decision/decision%20" + w.services[0].ID.String()
	if got := r.Get(accountant, undo); got.Status != http.StatusOK || !strings.Contains(got.Body, "Отменяется решение") || !strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "1 420,00 ₽") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/finance/acts/classify-service/hologram", "/finance/acts/classify-service/discounted%20", "/finance/acts/undo-service-decision/hologram"} {
		if got := r.Get(accountant, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}
