package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"referral/models"
	"referral/test/browser"
)

// Two clients of the customer's text.
const (
	inviter = int64(885)
	invitee = int64(901)
	deal    = int64(300_000) // of the subscription for a month, in kopecks
)

// screens are the ways in which somebody may come to the pages.
func screens() map[string]browser.Options {
	return map[string]browser.Options{
		"desk":      {},
		"phone":     {Phone: true},
		"dark":      {Dark: true, LessMotion: true},
		"no script": {NoScript: true},
	}
}

// TestTwoClientsUseThePortal is the customer's text from its first sentence to its
// last, as those do it who are meant.
func TestTwoClientsUseThePortal(t *testing.T) {
	for name, screen := range screens() {
		t.Run(name, func(t *testing.T) {
			c := newPortalWorld(t)
			c.send(client(inviter, "Резервация", before(400)), client(invitee, "Новые окна", before(3)))
			c.learnCodes(inviter, invitee)
			first := inviterTakesPart(t, c, screen)
			second := newClientJoins(t, c, screen)
			inviterSeesTheFriend(t, c, first)
			inviterSeesTheMoney(t, c, first)
			promoEnds(t, c, second)
			if a := first.Follow(func() { first.Click("Выйти") }); a.Status != http.StatusOK {
				t.Errorf("leaving ends with %+v", a)
			}
			c.to(first, "/referral/history")
			if first.Shows(roubles(earned())) {
				t.Error("who has left still sees the money")
			}
		})
	}
}

// inviterTakesPart: «Вступить в программу» without a code, long after the month
// for codes.
func inviterTakesPart(t *testing.T, c *portalWorld, screen browser.Options) *browser.Page {
	t.Helper()
	p := c.visit(t, inviter, "/referral", screen)
	judge(t, p)
	p.WaitText("Вступить в программу")
	p.WaitText("Срок ввода кода-приглашения закончился")
	if p.Shows("Применить") {
		t.Error("a code can be entered after the month")
	}
	p.Follow(func() { p.Click("Вступить в программу") })
	p.WaitText("Вы вступили в программу")
	p.WaitText("Ваш личный код")
	code := c.codes[inviter]
	if !strings.Contains(strings.ReplaceAll(p.Text(), " ", ""), code) && !strings.Contains(strings.Join(strings.Fields(p.Text()), ""), code) {
		t.Errorf("the own code is not shown: %s", p.Text())
	}
	judge(t, p)
	return p
}

// newClientJoins: the field, its last day, what is refused, and the code.
func newClientJoins(t *testing.T, c *portalWorld, screen browser.Options) *browser.Page {
	t.Helper()
	p := c.visit(t, invitee, "/referral", screen)
	p.WaitText("Если есть код для приглашения, то введите его ниже:")
	p.WaitText("Код можно ввести по " + prose((today() - 3).AddMonths(1)) + " включительно")
	p.WaitText("Осталось:")
	p.WaitText("У меня нет кода")
	judge(t, p)
	for typed, said := range map[string]string{
		"QQQQQQQQQ":      "Такого кода нет",
		c.codes[invitee]: "Это ваш собственный код",
	} {
		enterCode(p, typed)
		p.WaitText(said)
		judge(t, p)
	}
	enterCode(p, strings.ToLower(c.codes[inviter]))
	p.WaitText("Код принят: вы подключены к реферальной программе")
	p.WaitText("Вам обещана скидка 20% на 3 месяца")
	judge(t, p)
	c.to(p, "/referral")
	if p.Shows("Применить") {
		t.Error("a second code can be entered")
	}
	return p
}

func enterCode(p *browser.Page, code string) {
	p.Fill("Если есть код для приглашения", code)
	p.Follow(func() { p.Click("Применить") })
}

func inviterSeesTheFriend(t *testing.T, c *portalWorld, p *browser.Page) {
	t.Helper()
	c.to(p, "/referral")
	p.WaitText("Ваша скидка сегодня 20%")
	p.WaitText("вы здесь")
	p.WaitText("увеличит скидку за друзей с 20% до 40%")
	judge(t, p)
	p.Follow(func() { p.Click("Приведенные клиенты") })
	row := fmt.Sprintf("%d Н***е о***а %s", invitee, dotted(today()))
	p.WaitText(row)
	if p.Shows("Новые окна") {
		t.Error("the friend's name is shown whole")
	}
	judge(t, p)
}

// earned is the inviter's money for the running month: 20 % from today to its end.
func earned() int64 {
	month := today().Period()
	days, percentDays := int64(month.End()-month.First()), 20*int64(month.End()-today())
	return (2*deal*percentDays + 100*days) / (2 * 100 * days) // half away from zero
}

func inviterSeesTheMoney(t *testing.T, c *portalWorld, p *browser.Page) {
	t.Helper()
	month := today().Period()
	c.send(bill(inviter, month, deal))
	c.drained()
	c.must("run", month.String())
	c.published()
	if got, want := c.outsideLines(), -earned(); len(got) != 1 || !slices.Contains(values(got), want) {
		t.Errorf("posted %v, want one line of %d", got, want)
	}
	p.Follow(func() { p.Click("История скидок") })
	p.WaitText(roubles(earned()))
	p.WaitText(roubles(deal))
	p.WaitText("INV-" + month.String() + "-885")
	judge(t, p)
	p.Follow(func() { p.Click("Почему столько") })
	p.WaitText("Абонентская плата")
	left := int64(month.End() - today())
	p.WaitText(fmt.Sprintf("%d × 20 = ", left))
	p.WaitText("Расчет за месяц")
	p.WaitText(roubles(earned()))
	judge(t, p)
}

// promoEnds: what was promised to the new client begins.
func promoEnds(t *testing.T, c *portalWorld, p *browser.Page) {
	t.Helper()
	c.send(promoEnd(invitee, before(1)))
	c.drained()
	c.to(p, "/referral")
	p.WaitText("Ваша скидка сегодня 20%")
	p.WaitText("новому клиенту по коду-приглашению")
	judge(t, p)
}

// judge holds what must be true of every page.
func judge(t *testing.T, p *browser.Page) {
	t.Helper()
	p.NoBarriers()
	if wide := p.ExcessWidth(); wide > 0 {
		t.Errorf("the page is wider than the screen by %d pixels", wide)
	}
	if cut := p.CutOff(); len(cut) > 0 {
		t.Errorf("the page cuts off %q", cut)
	}
}

// TestEachRefusalIsExplained: own company, a second code, too late, and a
// stranger's invoice.
func TestEachRefusalIsExplained(t *testing.T) {
	c := newPortalWorld(t)
	const sibling, late, other = int64(902), int64(903), int64(904)
	same := fact("registered", "/pbx", "pbx.registered.v1", "r-sibling", sibling,
		`{"account_id":%d,"name":"Филиал","tax_id":"77%08d","registered_at":%q}`, sibling, inviter, before(2))
	c.send(client(inviter, "Резервация", before(400)), same, client(late, "Опоздавшие", before(60)), client(other, "Друзья", before(90)), bill(inviter, today().Period(), deal))
	c.learnCodes(inviter, sibling, late, other)
	c.drained()

	p := c.visit(t, sibling, "/referral", browser.Options{})
	enterCode(p, c.codes[inviter])
	p.WaitText("у нее тот же ИНН")
	enterCode(p, c.codes[other])
	p.WaitText("Код принят")

	p = c.visit(t, late, "/referral", browser.Options{Phone: true})
	p.WaitText("Срок ввода кода-приглашения закончился " + prose((today() - 60).AddMonths(1)))
	invoice := fmt.Sprintf("/referral/history/INV-%s-%d", today().Period(), inviter)
	if a := p.Goto(c.site + invoice); a.Status != http.StatusNotFound {
		t.Errorf("another client's invoice answers %d", a.Status)
	}
	judge(t, p)
	owner := c.visit(t, inviter, invoice, browser.Options{})
	owner.WaitText("Почему столько")
}

func roubles(kopecks int64) string {
	text := fmt.Sprint(kopecks / 100)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return fmt.Sprintf("%s,%02d", text, kopecks%100)
}

func prose(d models.Date) string {
	months := [...]string{"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"}
	year, month, day := d.Time().Date()
	return fmt.Sprintf("%d %s %d", day, months[month-1], year)
}

func values[K comparable](m map[K]int64) []int64 {
	var all []int64
	for _, v := range m {
		all = append(all, v)
	}
	return all
}
