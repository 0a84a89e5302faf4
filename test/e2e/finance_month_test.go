package e2e

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"referral/internal/ru"
	"referral/models"
	"referral/test/browser"
)

// TestAMonthFromRehearsalToRevocation is a month as its people live through it: it is
// rehearsed, held by the brake, let pass by two persons, reconciled, exported, signed by
// two persons, corrected by a late fact and by a revocation, explained, and proven by the
// journal.
func TestAMonthFromRehearsalToRevocation(t *testing.T) {
	c := newStaffWorld(t, lowBrake)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)), bill(inviter, month, deal))
	c.drained()
	number := fmt.Sprintf("INV-%s-%d", month, inviter)
	page, run := "/finance/months/"+month.String(), "/finance/months/"+month.String()+"/run"
	accountant := c.visit(t, person("referral-finance"), run, browser.Options{})
	controller := c.visit(t, person("referral-controller"), "/finance", browser.Options{})
	approve := func(proposal, outcome string) {
		t.Helper()
		controller.Goto(proposal)
		controller.Follow(func() { controller.Click("Утвердить и выполнить") })
		controller.WaitText(outcome)
		sees(t, controller)
	}

	accountant.Follow(func() { accountant.Click("Проверочный расчет") })
	accountant.WaitText("Последний проверочный расчет")
	accountant.Follow(func() { accountant.Click("Рассчитать и провести") })
	accountant.WaitText("Почему расчет верен")
	accountant.Fill("Почему расчет верен", "первый месяц программы")
	approve(accountant.Follow(func() { accountant.Click("Предложить провести сверх пределов") }).URL, "Утверждено")
	c.to(controller, run)
	controller.WaitText("Рассчитан")
	c.settled(month, "run")

	c.exported(t, accountant, month, 1)
	c.to(accountant, page+"/sign")
	accountant.Fill("Причина", "месяц сошелся")
	accountant.Fill("Почему подписать, хотя не все готово", "ночной сверки еще не было")
	approve(accountant.Follow(func() { accountant.Click("Отправить на утверждение") }).URL, "Месяц подписан")
	c.to(accountant, page)
	sees(t, accountant, "Закрыт")
	digest := c.signedDigest()

	revised := bill(inviter, month, 2*deal)
	revised.value = []byte(strings.Replace(string(revised.value), `"revision":1`, `"revision":2`, 1))
	c.send(revised)
	c.drained()
	c.must("run", month.String(), "--accept")
	c.settled(month, "invoice-revised")

	c.to(accountant, fmt.Sprint("/finance/clients/", invitee))
	accountant.Follow(func() { accountant.Click("Что изменится") })
	back := ru.Off(models.Money(2*deal/5), "RUB")
	sees(t, accountant, "Отозвать приведение", "с самого начала", number, back)
	accountant.Fill("Причина", "клиент пригласил сам себя")
	approve(accountant.Follow(func() { accountant.Click("Отправить на утверждение") }).URL, "Утверждено")
	c.must("run", month.String(), "--accept")
	c.settled(month, "revoked")

	c.to(accountant, page)
	sees(t, accountant, "После подписания", "счет изменился", "приведение отозвано", back)
	c.to(accountant, "/finance/invoices/"+number)
	sees(t, accountant, "приведение отозвано", "Почему столько")
	c.to(accountant, fmt.Sprint("/finance/clients/", inviter))
	sees(t, accountant, "Решения сотрудников", "Приведение отозвано", "клиент пригласил сам себя")
	c.exported(t, accountant, month.Next(), 2)
	if now := c.signedDigest(); now != digest {
		t.Errorf("the signed report has changed: %s, before %s", now, digest)
	}
	c.to(controller, "/finance/journal")
	sees(t, controller, "заказал расчет", "разрешил расчет сверх пределов", "подписал месяц", "отозвал приведение", "Записи целы")
	c.must("audit", "verify", "--period", month.String())
}

// settled has billing answer everything, and holds that the month ties and that the last
// document has a reason.
func (c *portalWorld) settled(month models.Period, reason string) {
	c.t.Helper()
	c.published()
	c.answer()
	c.drained()
	c.must("reconcile", month.String())
	last := query[struct{ Reason string }](c.world, "SELECT reason FROM adjustments ORDER BY sequence DESC LIMIT 1")
	if len(last) != 1 || last[0].Reason != reason {
		c.t.Errorf("the last document has the reason %+v, want %s", last, reason)
	}
}

// exported holds that the register of a month, as it is exported, is what billing received
// on the topic for it.
func (c *portalWorld) exported(t *testing.T, p *browser.Page, month models.Period, documents int) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(c.download(t, p, "/finance/register/"+month.String()+"/export?format=csv")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, doc := range c.adjustments() {
		if doc.PostingPeriod == month.String() {
			want = append(want, fmt.Sprintf("%s %d.%02d", doc.ID, doc.Amount/100, max(doc.Amount, -doc.Amount)%100))
		}
	}
	var got []string
	for _, row := range rows[1:] {
		got = append(got, row[5]+" "+row[10])
	}
	if len(want) != documents || strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("the export of %s has %q, billing received %q", month, got, want)
	}
}

// TestSupportKeepsAPromise is a client whose code came too late: support has it accepted
// with a controller's consent, the discount is posted, and an auditor finds out who
// decided it, and why.
func TestSupportKeepsAPromise(t *testing.T) {
	c := newStaffWorld(t)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-100)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)), bill(inviter, month, deal))
	c.drained()
	c.must("run", month.String())
	c.published()
	if n := c.number("SELECT count(*) AS n FROM adjustments"); n != 0 {
		t.Fatalf("%d documents for a code that was refused", n)
	}

	support := c.visit(t, person("referral-support"), "/finance/clients", browser.Options{})
	support.Fill("ID клиента, код, ИНН, счет, документ или часть названия", "новые окна")
	support.Follow(func() { support.Click("Найти") })
	sees(t, support, "срок ввода кода закончился")
	support.Fill("Принять код", c.codes[inviter])
	support.Follow(func() { support.Click("Что изменится") })
	sees(t, support, "Пригласил", fmt.Sprintf("INV-%s-%d", month, inviter), ru.Off(models.Money(-deal/5), "RUB"))
	support.Fill("Причина", "обещали по телефону")
	proposal := support.Follow(func() { support.Click("Отправить на утверждение") }).URL
	if support.Shows("Утвердить и выполнить") {
		t.Error("support approves its own promise")
	}
	controller := c.visit(t, person("referral-controller"), strings.TrimPrefix(proposal, c.site), browser.Options{})
	controller.Follow(func() { controller.Click("Утвердить и выполнить") })
	sees(t, controller, "Утверждено")
	c.must("run", month.String())
	c.settled(month, "late-fact")

	auditor := c.visit(t, person("referral-auditor"), fmt.Sprint("/finance/clients/", invitee), browser.Options{})
	sees(t, auditor, "Код принят", "обещали по телефону", "Принят")
	for _, act := range []string{"Что изменится", "Отменить"} {
		if auditor.Shows(act) {
			t.Errorf("an auditor is offered %q", act)
		}
	}
	auditor.Follow(func() { auditor.Click("Журнал") })
	sees(t, auditor, "принял код", "предложил", "утвердил", "Записи целы", "Проверено сейчас")
	auditor.Follow(func() { auditor.Click("Проверить весь журнал") })
	sees(t, auditor, "Весь журнал проверен", "Записи целы", "проверил журнал", "Записей с тех пор, проверены сейчас")
	c.behindTriggers("UPDATE operator_actions SET who = 'Борис' WHERE what = 'approve'")
	auditor.Follow(func() { auditor.Click("Проверить весь журнал") })
	sees(t, auditor, "Журнал изменен в обход службы", "Борис, утвердил", "не та, что была сделана")
	if verified := c.program("audit", "verify"); verified.status != 1 || !strings.Contains(verified.stdout, "Борис") {
		t.Errorf("the audit says %+v", verified)
	}
}
