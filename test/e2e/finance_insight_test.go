package e2e

import (
	"fmt"
	"testing"
	"time"

	"referral/internal/ru"
	"referral/models"
	"referral/store"
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
		p.WaitText("По видам и ступеням")
		sees(t, p, "сейчас 20", "По видам и ступеням", "По нынешним условиям", ru.Off(models.Money(-deal/5), ""), ru.Off(models.Money(-deal/10), ""))
	})
}

// TestStaffLookAtWhatTheNightFound is an accountant who looks at the forecast and at the
// suspicions of a night, and marks one of them.
func TestStaffLookAtWhatTheNightFound(t *testing.T) {
	c := newStaffWorld(t)
	first := today().Period().First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.drained()
	db, err := store.Open(store.Options{DSN: c.db.Config().ConnString()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	month, now := first.Period(), time.Now()
	cost := func(m models.Period, kind models.DiscountKind, step int, amount models.Money) models.Cost {
		return models.Cost{CostKey: models.CostKey{Month: m, Currency: "RUB", Kind: kind, Step: step}, Amount: amount}
	}
	past := month.Previous()
	for _, err := range []error{
		db.ReplaceForecast(t.Context(), models.Forecast{MadeFor: past.Previous(), MadeAt: now, Costs: []models.Cost{cost(past, models.Inviter, 1, -90000)}}),
		db.ReplaceForecast(t.Context(), models.Forecast{MadeFor: month, MadeAt: now, Costs: []models.Cost{cost(month, models.Inviter, 1, -80000), cost(month, models.Invitee, 0, -40000), cost(month.Next(), models.Inviter, 2, -10000)}}),
		db.ReplaceActualCosts(t.Context(), past, []models.Cost{cost(past, models.Inviter, 1, -100000)}),
		db.ReplaceSuspicions(t.Context(), models.SuspicionSearch{At: now, Accounts: 2, Referrals: 2, Found: 2}, []models.Suspicion{{
			Fingerprint: models.Digest{7}, Signs: []models.SuspicionSign{models.SuspiciousRing, models.SuspiciousTaxID}, Stakes: []models.Stake{{Currency: "RUB", Posted: -123400}},
			Referrals: []models.Referral{{InviterID: inviter, InviteeID: invitee, ActivatedAt: now}, {InviterID: invitee, InviteeID: inviter, ActivatedAt: now}},
		}, {
			Fingerprint: models.Digest{8}, Signs: []models.SuspicionSign{models.SuspiciousRing}, Referrals: []models.Referral{{InviterID: inviter, InviteeID: 902, ActivatedAt: now}},
		}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, screen := range map[string]browser.Options{"desk": {}, "dark": {Dark: true}, "phone": {Phone: true}} {
		t.Run(name, func(t *testing.T) {
			p := c.visit(t, person("referral-auditor"), "/finance/liabilities", screen)
			sees(t, p, "За двенадцать месяцев", "−1 300,00 ₽", "−10,0%", "скидки новых клиентов")
			c.to(p, "/finance/suspicions")
			sees(t, p, "Клиенты пригласили друг друга по кругу: один ИНН", "−1 234,00 ₽", "Резервация", "Новые окна")
			if p.Shows("Что выяснили") {
				t.Error("an auditor may mark a suspicion")
			}
		})
	}
	p := c.visit(t, person("referral-finance"), "/finance/suspicions", browser.Options{NoScript: true})
	p.Fill("Что выяснили", "два офиса одной семьи")
	p.Follow(func() { p.Click("Просмотрено") })
	sees(t, p, "Отмечено и записано в журнал", "Не просмотренные: 1")
	p.Follow(func() { p.Click("Просмотренные") })
	sees(t, p, "Просмотрено", "Анна Котова: два офиса одной семьи")
	p.Follow(func() { p.Click("Журнал") })
	sees(t, p, "посмотрел подозрение", "два офиса одной семьи", "Записи целы")
}
