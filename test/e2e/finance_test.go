package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"referral/internal/demo/fakeoidc"
	"referral/internal/ru"
	"referral/models"
	"referral/test/browser"
)

// staff is the persons that sign in to the staff pages, one of each role.
var staff = []string{"referral-support", "referral-finance", "referral-controller", "referral-auditor"}

// person is the number by which somebody of a role signs in.
func person(role string) int64 { return int64(slices.Index(staff, role) + 1) }

// newStaffWorld makes a world and serves its staff pages.
func newStaffWorld(t *testing.T, overrides ...string) *portalWorld {
	t.Helper()
	c := &portalWorld{world: newWorld(t, overrides...)}
	c.startProvider(t, "/finance", func(number int64) map[string]any {
		return map[string]any{"name": "Анна Котова", "realm_access": map[string]any{"roles": []string{"offline_access", staff[number-1]}}}
	})
	c.serveStaff()
	return c
}

// serveStaff serves the staff pages.
func (c *portalWorld) serveStaff() {
	c.t.Helper()
	c.server = c.launch([]string{
		"REFERRAL_HTTP_FINANCE=" + strings.TrimPrefix(c.site, "http://"),
		"REFERRAL_FINANCE_SIGN_IN_ISSUER=" + c.identity.Issuer(),
		"REFERRAL_FINANCE_SIGN_IN_CLIENT_ID=" + fakeoidc.ClientID,
		"REFERRAL_FINANCE_SIGN_IN_CLIENT_SECRET=" + c.identity.ClientSecret(),
		"REFERRAL_FINANCE_SIGN_IN_ROLES_CLAIM=realm_access.roles",
	})
	c.server.ready()
}

// TestStaffPagesShowAMonth is a month as an accountant and a person of support look at it:
// from the list of months to the day that a kopeck comes from.
func TestStaffPagesShowAMonth(t *testing.T) {
	c := newStaffWorld(t)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)))
	c.send(bill(inviter, month, deal), fact("invoices", "/billing", "billing.invoice-issued.v1", "i-fax", inviter,
		`{"invoice_id":"FAX-1","account_id":%d,"period":%q,"revision":1,"currency":"RUB","lines":[{"line_id":"1","service":"fax","from":%q,"to":%q,"amount_minor":%d}]}`,
		inviter, month, first, month.End(), deal), fact("registered", "/pbx", "pbx.registered.v1", "r-bad", 902, `{"account_id":902}`))
	c.drained()
	c.must("run", month.String())
	c.published()
	c.answer()
	number := fmt.Sprintf("INV-%s-%d", month, inviter)
	posted := ru.Off(models.Money(-deal/5), "RUB") // the first friend is worth 20 % of every day

	for name, screen := range map[string]browser.Options{"desk": {}, "dark": {Dark: true}, "phone": {Phone: true, NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			p := c.visit(t, person("referral-finance"), "/finance", screen)
			sees(t, p, ru.MonthTitle(month), "Рассчитан", posted)
			p.Follow(func() { p.Click(ru.MonthTitle(month)) })
			sees(t, p, ru.MonthTitle(month), posted, "Сверки этого месяца еще не было")
			p.Follow(func() { p.Click("Документы этого месяца") })
			sees(t, p, "Реестр документов", "Резервация", posted, "Проведен")
			p.Follow(func() { p.Click(number) })
			sees(t, p, "Почему столько", "subscription", posted, "Документы")
			p.Follow(func() { p.Click(ru.Number(int(inviter))) })
			sees(t, p, "Резервация", ".registered, раздел", "За приведенных клиентов, ступень 1", number)
			p.Follow(func() { p.Click("Очередь") })
			sees(t, p, "Сообщения, которые не удалось учесть", "неверное значение поля")
			if a := p.Follow(func() { p.Click("Выйти") }); a.Status != http.StatusOK {
				t.Errorf("signing out ends with %+v", a)
			}
		})
	}
	t.Run("a service that the terms do not name", func(t *testing.T) {
		p := c.visit(t, person("referral-finance"), "/finance/queue", browser.Options{})
		sees(t, p, "Услуги, которых нет в условиях", "fax")
		p.Follow(func() { p.Click("Скидка действует") })
		sees(t, p, "Решить об услуге", "FAX-1", posted)
		p.Fill("Причина", "факс входит в программу")
		proposal := p.Follow(func() { p.Click("Отправить на утверждение") }).URL
		p = c.visit(t, person("referral-controller"), strings.TrimPrefix(proposal, c.site), browser.Options{})
		p.Follow(func() { p.Click("Утвердить и выполнить") })
		sees(t, p, "Утверждено")
		c.must("run", month.String())
		c.to(p, "/finance/invoices/FAX-1")
		sees(t, p, "Услуга добавлена решением: скидка действует", "факс входит в программу", posted)
		c.to(p, "/finance/queue")
		sees(t, p, "Решения об услугах", "Услуги нет: внесите ее в условия")
	})
	t.Run("support", func(t *testing.T) {
		p := c.visit(t, person("referral-support"), "/finance", browser.Options{})
		if p.Shows("Реестр документов") || p.Shows("Месяцы") {
			t.Error("support is offered pages of other roles")
		}
		p.Fill("ID клиента, код, ИНН, счет, документ или часть названия", "новые окна")
		p.Follow(func() { p.Click("Найти") })
		sees(t, p, "Новые окна", "Принят", "Код для приглашений")
		if a := p.Goto(c.site + "/finance/register"); a.Status != http.StatusForbidden || !p.Shows("Недостаточно прав") {
			t.Errorf("support at the register: %+v", a)
		}
	})
}

// TestStaffPictures takes pictures of staff pages, after half a year of the inviter.
func TestStaffPictures(t *testing.T) {
	folder := os.Getenv(shotsVariable)
	if folder == "" {
		folder = t.TempDir()
	}
	c := newStaffWorld(t)
	c.halfAYear()
	month := today().Period().Previous()
	p := c.visit(t, person("referral-finance"), "/finance/months/"+month.String()+"/run", browser.Options{LessMotion: true})
	p.Follow(func() { p.Click("Проверочный расчет") })
	p.WaitText("Последний проверочный расчет")
	for name, path := range map[string]string{
		"staff-months": "/finance", "staff-register": "/finance/register?period=" + month.String(), "staff-run": "/finance/months/" + month.String() + "/run",
		"staff-sign": "/finance/months/" + month.String() + "/sign", "staff-client": fmt.Sprint("/finance/clients/", inviter),
	} {
		c.to(p, path)
		c.picture(t, p, folder, name, "desk")
	}
}

// sees checks a page: what it says, and that everybody can read and use it.
func sees(t *testing.T, p *browser.Page, words ...string) {
	t.Helper()
	for _, word := range words {
		if !p.Shows(word) {
			t.Errorf("the page does not say %q: %s", word, p.Text())
		}
	}
	p.NoBarriers()
	if wide := p.ExcessWidth(); wide > 0 {
		t.Errorf("the page is wider than the screen by %d pixels", wide)
	}
}

// TestTwoPersonsCorrectAMessage is a message that could not be used: an accountant
// corrects it, a controller approves, and the fact counts.
func TestTwoPersonsCorrectAMessage(t *testing.T) {
	c := newStaffWorld(t)
	c.send(fact("registered", "/pbx", "pbx.registered.v1", "r-bad", 902, `{"account_id":902}`))
	c.drained()
	p := c.visit(t, person("referral-finance"), "/finance/queue", browser.Options{})
	p.Follow(func() { p.Click("Исправить") })
	sees(t, p, "Исправить и вернуть сообщение", "registered, раздел")
	p.Fill("Исправленное сообщение", `{"specversion":"1.0","id":"r-902","source":"/pbx","type":"pbx.registered.v1","data":{"account_id":902,"name":"Новые двери","tax_id":"7707083893","registered_at":"2026-01-10T09:00:00Z"}}`)
	p.Fill("Причина", "в сообщении не было даты")
	proposal := p.Follow(func() { p.Click("Отправить на утверждение") }).URL
	sees(t, p, "Ждет решения", "Новые двери", "в сообщении не было даты")
	if p.Shows("Утвердить и выполнить") {
		t.Error("the accountant may approve what he has proposed")
	}

	p = c.visit(t, person("referral-controller"), strings.TrimPrefix(proposal, c.site), browser.Options{})
	sees(t, p, "Анна Котова", "Как сейчас")
	p.Follow(func() { p.Click("Утвердить и выполнить") })
	sees(t, p, "Утверждено")
	c.drained()
	p.Follow(func() { p.Click("Очередь") })
	sees(t, p, "Ничто не ждет решения")
	p.Follow(func() { p.Click("Журнал") })
	sees(t, p, "предложил", "утвердил", "исправил и вернул сообщение", "Записи целы")
	c.to(p, "/finance/clients/902")
	sees(t, p, "Новые двери")
}
