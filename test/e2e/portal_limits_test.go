package e2e

import (
	"net/http"
	"testing"

	"referral/test/browser"
)

// TestGuessingCodesIsThrottled: after the day's number of wrong codes every code gets
// the same answer, the right one too, and the wait is named.
func TestGuessingCodesIsThrottled(t *testing.T) {
	c := newPortalWorld(t, "REFERRAL_CABINET_LIMITS_WRONG_CODES_PER_ACCOUNT=3")
	c.send(client(inviter, "Резервация", before(400)), client(invitee, "Новые окна", before(3)))
	c.learnCodes(inviter, invitee)
	p := c.visit(t, invitee, "/referral", browser.Options{Phone: true})
	for _, typed := range []string{"AAAAAAAAA", "BBBBBBBBB", "CCCCCCCCC"} {
		enterCode(p, typed)
		p.WaitText("Такого кода нет")
	}
	for _, typed := range []string{"DDDDDDDDD", c.codes[inviter], c.codes[invitee]} {
		enterCode(p, typed)
		p.WaitText("Слишком много попыток ввода кода. Попробуйте снова через")
		if p.Shows("Такого кода нет") || p.Shows("собственный код") || p.Shows("Код принят") {
			t.Errorf("the answer tells what the code is: %s", p.Text())
		}
		judge(t, p)
	}
	if n := c.number(`SELECT count(*) FROM activations WHERE status = 'accepted'`); n != 0 {
		t.Errorf("%d codes were accepted", n)
	}
}

// TestUnknownPagesAreNotFound is an answer in the pages' own look, with a way back.
func TestUnknownPagesAreNotFound(t *testing.T) {
	c := newPortalWorld(t)
	c.send(client(inviter, "Резервация", before(400)))
	c.learnCodes(inviter)
	for name, screen := range screens() {
		p := c.visit(t, inviter, "/referral", screen)
		for _, path := range []string{"/referral/nowhere", "/referral/history/INV-0"} {
			if a := p.Goto(c.site + path); a.Status != http.StatusNotFound {
				t.Errorf("%s: %s answers %d", name, path, a.Status)
			}
			judge(t, p)
		}
		p.Follow(func() { p.Click("Открыть реферальную программу") })
		p.WaitText("Вступить в программу")
	}
}
