package pages_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/billing/whatif"
	"referral/models"
)

// worldWhatIf is what comparison 5 has come to; by default it is done.
type worldWhatIf struct {
	whatIfState models.RunOrderState
	whatIfError string
}

func (w *world) WhatIfs(context.Context, int) ([]models.RunOrder, error) {
	return []models.RunOrder{w.whatIf()}, w.err
}

func (w *world) whatIf() models.RunOrder {
	o := models.RunOrder{
		ID: 5, From: 202603, Period: 202604, What: models.OrderWhatIf, State: w.whatIfState, By: models.Person{Name: payload}, At: now(), FinishedAt: now(), Error: w.whatIfError,
		Terms: `{"Invitee":{"Percent":20,"Months":3},"Ladder":[{"Percent":20,"Months":3},{"Percent":20,"Months":6},{"Percent":60,"Months":12,"SMS":1200}]}`,
	}
	if o.State == "" {
		o.State = models.OrderDone
	}
	if o.State != models.OrderDone {
		o.Seen, o.Through, o.All = now(), 1, 2
		return o
	}
	april := whatif.Pair{Present: -142000, Other: -104000}
	o.WhatIf, _ = json.Marshal(whatif.Found{ // never fails
		Months: []whatif.Month{{Period: 202603}, {Period: 202604, Accounts: 1, Affected: 1, Discounts: []whatif.DiscountSum{{Currency: "KZT", Pair: whatif.Pair{Present: -200, Other: -100}}, {Currency: "RUB", Pair: april}}}},
		Steps:  []whatif.Step{{Currency: "RUB", Kind: models.Inviter, Step: 2, Pair: whatif.Pair{Present: -76000, Other: -38000}}},
		Bands:  []whatif.Band{{Currency: "RUB", To: 300000}, {Currency: "RUB", From: 300000, To: 1000000, Invoiced: 1, Affected: 1, Pair: april}},
		Failed: 3,
	})
	return o
}

func asked() url.Values {
	return url.Values{
		"from": {"2026-03"}, "to": {"2026-04"}, "invitee-percent": {"20"}, "invitee-months": {"3"},
		"percent-1": {"10"}, "months-1": {"3"}, "sms-1": {"0"}, "percent-2": {"40"}, "months-2": {"6"}, "sms-2": {"0"}, "percent-3": {"60"}, "months-3": {"12"}, "sms-3": {"1200"},
	}
}

// A comparison is ordered by a form, waits for a scheduler on a page of its own, and shows
// there what it has found.
func TestWhatIfPages(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleFinance)
	shows := func(path string, wants ...string) {
		t.Helper()
		got := r.Get(browser, path)
		body := strings.NewReplacer("\u00a0", " ", "&#43;", "+").Replace(got.Body)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s: not %q in %s", path, want, body)
			}
		}
		if strings.Contains(body, payload) {
			t.Errorf("%s shows a name as markup", path)
		}
	}
	shows("/finance/simulate", `name="percent-2" aria-label="Процент ступени 2" type="number" min="0" max="100000" required value="40"`, `<option value="2026-04" selected>`, "Не больше 12 месяцев",
		`<a href="/finance/simulate/5">Март 2026 — Апрель 2026</a>`)
	shows("/finance/simulate/5", "сейчас 40", "ступень 2 — 20%",
		`<th scope="row">Апрель 2026</th><td class="num">−1 420,00 ₽</td><td class="num">−1 040,00 ₽</td><td class="num">+380,00 ₽</td><td></td>`,
		`<th scope="row">Апрель 2026</th><td class="num">−2,00 KZT</td><td class="num">−1,00 KZT</td><td class="num">+1,00 KZT</td><td class="num">1</td>`,
		`<th scope="row">За приведенных клиентов, ступень 2</th><td class="num">−760,00 ₽</td><td class="num">−380,00 ₽</td><td class="num">+380,00 ₽</td>`,
		`<th scope="row">от 3 000,00 ₽ до 10 000,00 ₽</th><td class="num">1</td><td class="num">1</td>`, "Не удалось рассчитать клиентов: 3", "/finance/simulate/5/export?format=xlsx")
	got := r.Post(browser, "/finance/simulate", asked())
	if got.URL.Path != "/finance/simulate/8" || !strings.Contains(got.Body, "Ждет службы расчета") || got.Header.Get("Refresh") == "" || len(w.recorded) != 1 || w.recorded[0].What != models.ActionWhatIf {
		t.Errorf("ordered: %s %v %s", got.URL, w.recorded, got.Body)
	}
	var terms billing.Terms
	if err := json.Unmarshal([]byte(w.orders[0].Terms), &terms); err != nil || terms.Ladder[0].Percent != 10 || terms.Ladder[2].SMS != 1200 {
		t.Errorf("ordered with %s: %v", w.orders[0].Terms, err)
	}
	if again := r.Post(browser, "/finance/simulate", asked()); again.URL.Path != "/finance/simulate/8" || len(w.orders) != 1 {
		t.Errorf("ordered twice: %s", again.URL)
	}
	for name, c := range map[string]struct{ field, value, says string }{
		"a percent":       {"percent-2", "101", "процент — от 0 до 100"},
		"not a number":    {"percent-2", "x", "процент — от 0 до 100"},
		"too late":        {"from", "2026-05", "от одного до двенадцати"},
		"not a month":     {"from", "yesterday", "от одного до двенадцати"},
		"thirteen months": {"from", "2025-04", "от одного до двенадцати"},
	} {
		form := asked()
		form.Set(c.field, c.value)
		if got := r.Post(browser, "/finance/simulate", form); got.Status != http.StatusConflict || !strings.Contains(got.Body, c.says) || len(w.orders) != 1 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	w.orders[0].At = now().Add(-time.Minute)
	shows("/finance/simulate/8", "ждет уже 1 минуту. Служба расчета его не берет")
	w.busy = &w.orders[0]
	w.busy.State, w.busy.Seen = models.OrderWorking, now()
	if got := r.Get(browser, "/finance/simulate/8"); strings.Contains(got.Body, "ждет уже") {
		t.Errorf("a scheduler works on it: %s", got.Body)
	}
	w.whatIfState = models.OrderWorking
	shows("/finance/simulate/5", "1 из 2 месяцев", "Страница обновляется сама")
	if got := r.Get(browser, "/finance/simulate/5/export?format=csv"); got.Status != http.StatusNotFound {
		t.Errorf("a file of what is under way: %d", got.Status)
	}
	w.whatIfState, w.whatIfError = models.OrderFailed, "the disk is full"
	shows("/finance/simulate/5", "Сравнить не удалось: the disk is full")
	if got := r.Get(browser, "/finance/simulate/7"); got.Status != http.StatusNotFound {
		t.Errorf("a rehearsal as a comparison: %d", got.Status)
	}
	if got := r.Get(as(r, models.RoleAuditor), "/finance/simulate"); strings.Contains(got.Body, "<form class=\"terms\"") {
		t.Error("an auditor is offered to order a comparison")
	}
}
