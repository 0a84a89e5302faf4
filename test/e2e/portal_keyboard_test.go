package e2e

import (
	"strconv"
	"testing"

	"referral/test/browser"
)

// TestKeyboardAloneIsEnough signs in, joins with a code, looks at everything and
// opens the dialog, and touches no mouse.
func TestKeyboardAloneIsEnough(t *testing.T) {
	c := newPortalWorld(t)
	c.send(client(inviter, "Резервация", before(400)), client(invitee, "Новые окна", before(3)))
	c.learnCodes(inviter, invitee)
	p := browser.Open(t, browser.Options{Hosts: c.hosts()})
	c.to(p, "/referral")
	press := func(on, key string) {
		t.Helper()
		p.TabTo(on)
		seen(t, p)
		p.Press(key)
	}
	p.TabTo("Номер любого клиента")
	p.Type(strconv.FormatInt(invitee, 10))
	p.Follow(func() { p.Press(browser.Enter) })

	p.Press(browser.Tab)
	if on := p.Focused(); on != "К содержанию" {
		t.Errorf("the first stop is %q, and not the way past the menu", on)
	}
	p.TabTo("Если есть код для приглашения")
	seen(t, p)
	p.Type("QQQQQQQQQ")
	p.Follow(func() { p.Press(browser.Enter) })
	// What went wrong has the focus and leads to the field.
	p.WaitFocus("Код не применен")
	press("Такого кода нет", browser.Enter)

	p.WaitFocus("Если есть код")
	p.Refill(c.codes[inviter])
	p.Follow(func() { press("Применить", browser.Enter) })
	p.WaitText("Код принят")

	press("Пригласить", browser.Enter)
	p.WaitText("Поделиться кодом")
	p.WaitFocus("Email получателя")
	p.Press(browser.Escape)
	p.WaitFocus("Пригласить")
	for _, tab := range []string{"Приведенные клиенты", "История скидок", "Приглашения"} {
		p.Follow(func() { press(tab, browser.Enter) })
		p.WaitText(tab)
	}
	p.Follow(func() { press("Выйти", browser.Enter) })
}

// seen wants the focus to be visible: a ring around what has it.
func seen(t *testing.T, p *browser.Page) {
	t.Helper()
	const ring = `(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))`
	if !browser.Eval[bool](p, ring) {
		t.Errorf("nothing shows that the focus is on %q", p.Focused())
	}
}
