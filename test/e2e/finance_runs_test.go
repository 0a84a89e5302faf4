package e2e

import (
	"fmt"
	"strings"
	"testing"

	"referral/internal/ru"
	"referral/models"
	"referral/test/browser"
)

// TestMonthIsRehearsedHeldAndRun is a month as an accountant runs it: a rehearsal that
// goes on when the browser is closed, a run that the brake holds until another person
// agrees, and the late fact that makes the run differ from its rehearsal.
func TestMonthIsRehearsedHeldAndRun(t *testing.T) {
	c := newStaffWorld(t, lowBrake)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)), bill(inviter, month, deal))
	c.drained()
	number := fmt.Sprintf("INV-%s-%d", month, inviter)
	rehearsed, posted := ru.Off(models.Money(-deal/5), "RUB"), ru.Off(models.Money(-2*deal/5), "RUB")
	here := "/finance/months/" + month.String() + "/run"

	p := c.visit(t, person("referral-finance"), "/finance/months/"+month.String(), browser.Options{NoScript: true})
	p.Follow(func() { p.Click("Расчет месяца") })
	sees(t, p, "Проверочного расчета этого месяца еще не было")
	p.Follow(func() { p.Click("Проверочный расчет") })
	p.Follow(func() { p.Click("Выйти") })

	p = c.visit(t, person("referral-finance"), here, browser.Options{})
	p.WaitText("Последний проверочный расчет")
	sees(t, p, rehearsed, number, "Расчет был бы остановлен пределами", "subscription", "Отличается от прошлого месяца больше всего")
	if n := c.number("SELECT count(*) AS n FROM adjustments"); n != 0 {
		t.Errorf("a rehearsal has posted %d documents", n)
	}

	revised := bill(inviter, month, 2*deal)
	revised.value = []byte(strings.Replace(string(revised.value), `"revision":1`, `"revision":2`, 1))
	c.send(revised)
	c.drained()
	p.Follow(func() { p.Click("Рассчитать и провести") })
	p.WaitText("Расчет остановлен пределами")
	p.WaitText("Почему расчет верен")
	sees(t, p, "Ничего не проведено", posted)
	p.Fill("Почему расчет верен", "счет выставлен заново")
	proposal := p.Follow(func() { p.Click("Предложить провести сверх пределов") }).URL
	sees(t, p, "Провести расчет сверх пределов", "Ждет решения", "счет выставлен заново", posted)
	if p.Shows("Утвердить и выполнить") || c.number("SELECT count(*) AS n FROM adjustments") != 0 {
		t.Error("the accountant has it done alone")
	}

	p = c.visit(t, person("referral-controller"), strings.TrimPrefix(proposal, c.site), browser.Options{})
	p.Follow(func() { p.Click("Утвердить и выполнить") })
	sees(t, p, "Утверждено")
	c.to(p, here)
	p.WaitText("Отличается по клиентам: 1")
	sees(t, p, "счет "+number+" изменен: редакция 2 вместо 1", c.topics["invoices"], rehearsed, posted, "сверх пределов")
	if p.Shows("ничем не объясняется") || p.Shows("Рассчитать и провести") {
		t.Errorf("the page says %s", p.Text())
	}
	c.published()
	if documents := query[struct{ Amount models.Money }](c.world, "SELECT amount_minor AS amount FROM adjustments"); len(documents) != 1 || documents[0].Amount != models.Money(-2*deal/5) {
		t.Errorf("posted is %+v", documents)
	}
	c.to(p, "/finance/journal")
	sees(t, p, "заказал проверочный расчет", "заказал расчет", "предложил", "утвердил", "разрешил расчет сверх пределов", "Записи целы")
}
