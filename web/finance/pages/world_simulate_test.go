package pages_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"referral/models"
)

// worldSimulation is how the accounts come that a comparison looks at.
type worldSimulation struct {
	slow func(ctx context.Context) error // nil: at once
}

func (w *world) ForEachAccount(ctx context.Context, p models.Period, see func(*models.AccountHistory) error) error {
	if w.slow != nil {
		return w.slow(ctx)
	}
	c, _, err := w.AccountHistory(ctx, 885)
	if err != nil || p != 202604 {
		return err
	}
	return see(&c)
}

const asked = "/finance/simulate?from=2026-03&to=2026-04&invitee-percent=20&invitee-months=3&percent-1=10&months-1=3&sms-1=0&percent-2=40&months-2=6&sms-2=0&percent-3=60&months-3=12&sms-3=1200"

// 885 has three clients: step 1 from February, 2 from March, 3 from 20 April. Under the
// other terms step 2 is worth half.
func TestSimulatePage(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleFinance)
	get := func(path string) (string, int) {
		got := r.Get(browser, path)
		return strings.NewReplacer("\u00a0", " ", "&#43;", "+").Replace(got.Body), got.Status
	}
	form, _ := get("/finance/simulate")
	for _, want := range []string{`name="percent-2" aria-label="Процент ступени 2" type="number" min="0" max="100000" required value="40"`, `<option value="2026-04" selected>`, "Не больше 12 месяцев"} {
		if !strings.Contains(form, want) {
			t.Errorf("not %q in %s", want, form)
		}
	}
	if strings.Contains(form, "Итог") || strings.Contains(form, "сейчас") {
		t.Errorf("something is compared before it is asked for: %s", form)
	}
	page, _ := get(strings.Replace(asked, "percent-2=40", "percent-2=20", 1))
	for _, want := range []string{
		"сейчас 40", `<th scope="row">Апрель 2026</th><td class="num">−1 420,00 ₽</td><td class="num">−1 040,00 ₽</td><td class="num">+380,00 ₽</td><td class="num">1</td>`,
		`<th scope="row">За приведенных клиентов, ступень 2</th><td class="num">−760,00 ₽</td><td class="num">−380,00 ₽</td><td class="num">+380,00 ₽</td>`,
		`<th scope="row">За приведенных клиентов, ступень 3</th><td class="num">−660,00 ₽</td><td class="num">−660,00 ₽</td><td class="num">0,00 ₽</td>`,
		`<th scope="row">от 3 000,00 ₽ до 10 000,00 ₽</th><td class="num">1</td><td class="num">1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("not %q in %s", want, page)
		}
	}
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		strings.Replace(asked, "percent-2=40", "percent-2=101", 1):  {http.StatusBadRequest, "процент — от 0 до 100"},
		strings.Replace(asked, "percent-2=40", "percent-2=x", 1):    {http.StatusBadRequest, "процент — от 0 до 100"},
		strings.Replace(asked, "from=2026-03", "from=2026-05", 1):   {http.StatusBadRequest, "от одного до двенадцати"},
		strings.Replace(asked, "from=2026-03", "from=yesterday", 1): {http.StatusBadRequest, "от одного до двенадцати"},
	} {
		if body, status := get(path); status != want.status || !strings.Contains(body, want.says) || strings.Contains(body, "По видам и ступеням") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// One comparison is made at a time.
func TestOneSimulationAtATime(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan int)
	w.slow = func(context.Context) error { close(begun); <-end; return context.DeadlineExceeded }
	first, second := as(r, models.RoleFinance), as(r, models.RoleController)
	go func() { done <- r.Get(first, asked).Status }()
	<-begun
	if got := r.Get(second, asked); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Сейчас сравнивают другие условия") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	close(end)
	if status := <-done; status != http.StatusServiceUnavailable {
		t.Errorf("the first ends with %d", status)
	}
}
