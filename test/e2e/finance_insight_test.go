package e2e

import (
	"fmt"
	"testing"

	"referral/internal/ru"
	"referral/models"
	"referral/test/browser"
)

// TestStaffSeeWhatAClientSees is a person of support who looks at the personal account
// of a client, page by page, and can send nothing from it.
func TestStaffSeeWhatAClientSees(t *testing.T) {
	c := newStaffWorld(t)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)))
	c.send(bill(inviter, month, deal))
	c.drained()
	c.must("run", month.String())
	for name, screen := range map[string]browser.Options{"desk": {}, "no script": {NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			p := c.visit(t, person("referral-support"), fmt.Sprintf("/finance/clients/%d", inviter), screen)
			sees(t, p, "Приглашений клиент не отправлял")
			p.Follow(func() { p.Click("Что видит клиент") })
			sees(t, p, "Так эту страницу видит клиент", "Ваша скидка сегодня", "Ваш личный код", "Таблица скидок")
			p.Follow(func() { p.Click("История скидок") })
			sees(t, p, "Скидка по месяцам", "Почему столько")
			p.Follow(func() { p.Click("Почему столько") })
			sees(t, p, "Начислено", "Так эту страницу видит клиент")
			p.Follow(func() { p.Click("Приведенные клиенты") })
			sees(t, p, fmt.Sprint(invitee), "Код активирован")
			p.Follow(func() { p.Click("К карточке клиента") })
			sees(t, p, "Резервация", "За приведенных клиентов, ступень 1")
		})
	}
	t.Run("accountant", func(t *testing.T) {
		p := c.visit(t, person("referral-finance"), "/finance/suspicions", browser.Options{})
		sees(t, p, "Подозрения", "Поиска еще не было")
		p.Follow(func() { p.Click("Обязательства") })
		sees(t, p, "Обязательства", "Прогноза еще нет")
		p.Follow(func() { p.Click("Что, если") })
		p.Fill("Процент ступени 1", "10")
		p.Follow(func() { p.Click("Сравнить") })
		sees(t, p, "сейчас 20", "По видам и ступеням", "По нынешним условиям", ru.Off(models.Money(-deal/5), ""), ru.Off(models.Money(-deal/10), ""))
	})
}
