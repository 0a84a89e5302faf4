package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"referral/test/browser"
)

// TestInvitationsReachMailAndPhone sends both from the dialog of the text, or from
// the page that stands in for it, and reads what the friends got.
func TestInvitationsReachMailAndPhone(t *testing.T) {
	for name, screen := range map[string]browser.Options{"desk": {}, "phone": {Phone: true, Dark: true}, "no script": {NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			f, settings := newFriends(t)
			c := newPortalWorld(t, settings...)
			c.send(client(inviter, "Резервация", before(400)))
			c.learnCodes(inviter)
			p := takePart(t, c, inviter, screen)
			invite(t, p, "Отправить email", "Email получателя", "friend@example.ru")
			p.WaitText("friend@example.ru")
			judge(t, p)
			readLetter(t, c, f)

			c.to(p, "/referral")
			invite(t, p, "Отправить SMS", "Телефон получателя", "8 (916) 123-45-67")
			p.WaitText("+7 916 123-45-67")
			readShort(t, c, f)
			c.until("the receipt to be shown", func() (bool, string) {
				c.to(p, "/referral/invitations")
				return p.Shows("Доставлено"), p.Text()
			})
			judge(t, p)
		})
	}
}

// takePart signs in and takes part without a code.
func takePart(t *testing.T, c *portalWorld, account int64, screen browser.Options) *browser.Page {
	t.Helper()
	p := c.visit(t, account, "/referral", screen)
	button := "У меня нет кода"
	if !p.Shows(button) {
		button = "Вступить в программу"
	}
	p.Follow(func() { p.Click(button) })
	p.WaitText("Ваш личный код")
	return p
}

// invite goes through «Поделиться кодом».
func invite(t *testing.T, p *browser.Page, way, field, to string) {
	t.Helper()
	p.Click("Пригласить")
	p.WaitText("Поделиться кодом")
	p.Click(way)
	judge(t, p)
	p.Fill(field, to)
	p.Follow(func() { p.Click("Пригласить") })
}

var optOut = regexp.MustCompile(`http://\S+/referral/opt-out/[A-Za-z0-9_-]+`)

func readLetter(t *testing.T, c *portalWorld, f *friends) {
	t.Helper()
	m := f.letter(t, "friend@example.ru")
	if m.Subject != "Вас приглашают в t2 АТС: скидка 20% на 3 месяца" || m.From != "referral@example.ru" {
		t.Errorf("from %s: %q", m.From, m.Subject)
	}
	for _, said := range []string{
		"Клиент t2 АТС приглашает вас в реферальную программу", "скидку 20% на первые 3 месяца пользования",
		c.codes[inviter], c.site + "/referral", "Скидка начнет действовать после окончания промо-периода", "кроме пакетов SMS",
	} {
		if !strings.Contains(plain(m.Text), said) || !strings.Contains(plain(m.HTML), said) {
			t.Errorf("the mail does not say %q:\n%s\n%s", said, m.Text, m.HTML)
		}
	}
	if !optOut.MatchString(m.Text) || !optOut.MatchString(m.HTML) {
		t.Errorf("the mail has no way to opt out:\n%s", m.Raw)
	}
}

func readShort(t *testing.T, c *portalWorld, f *friends) {
	t.Helper()
	m := f.short(t, 1)
	if m.To != "79161234567" || m.From != "t2 ATS" {
		t.Errorf("from %q to %q", m.From, m.To)
	}
	for _, said := range []string{"Приглашаем в t2 АТС: скидка 20% на 3", c.codes[inviter], c.site + "/referral", "Отказ: "} {
		if !strings.Contains(plain(m.Text), said) {
			t.Errorf("the SMS does not say %q: %s", said, m.Text)
		}
	}
	if m.Parts < 2 {
		t.Errorf("%d letters came in %d part", len([]rune(m.Text)), m.Parts)
	}
}

func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestNoInvitationAfterAnOptOut follows the link of a mail as its reader, who
// has no account.
func TestNoInvitationAfterAnOptOut(t *testing.T) {
	f, settings := newFriends(t)
	c := newPortalWorld(t, settings...)
	const other = int64(886)
	c.send(client(inviter, "Резервация", before(400)), client(other, "Другой", before(300)))
	c.learnCodes(inviter, other)
	p := takePart(t, c, inviter, browser.Options{})
	invite(t, p, "Отправить email", "Email получателя", "friend@example.ru")
	link := optOut.FindString(f.letter(t, "friend@example.ru").Text)

	reader := browser.Open(t, browser.Options{Hosts: c.hosts(), Phone: true, NoScript: true})
	if a := reader.Goto(link); a.Status != http.StatusOK {
		t.Fatalf("the link answers %+v", a)
	}
	reader.WaitText("Больше не присылать приглашения?")
	judge(t, reader)
	reader.Follow(func() { reader.Click("Больше не присылать") })
	reader.WaitText("больше приходить не будут")
	judge(t, reader)

	p = takePart(t, c, other, browser.Options{})
	invite(t, p, "Отправить email", "Email получателя", "Friend@EXAMPLE.ru")
	p.WaitText("отказался от приглашений")
	judge(t, p)
	if mails := f.mail.Mails("friend@example.ru"); len(mails) != 1 {
		t.Errorf("%d mails reached who has opted out", len(mails)-1)
	}
}

// TestRefusedInvitationsAreExplained: what nobody is written to, and how often.
func TestRefusedInvitationsAreExplained(t *testing.T) {
	f, settings := newFriends(t)
	c := newPortalWorld(t, append(settings, "REFERRAL_INVITATIONS_PER_DAY=2")...)
	c.send(client(inviter, "Резервация", before(400)))
	c.learnCodes(inviter)
	p := takePart(t, c, inviter, browser.Options{})
	const mail, sms = "Отправить email", "Отправить SMS"
	field := map[string]string{mail: "Email получателя", sms: "Телефон получателя"}
	for _, try := range []struct{ way, to, said string }{
		{mail, "", "Введите email получателя."},
		{mail, "friend", "Проверьте адрес"},
		{mail, "friend@example.ru%0d%0aBcc: all@example.ru", "Проверьте адрес"},
		{mail, "friend@exаmple.ru", "легко принять за другой"}, // with a Cyrillic а
		{mail, "друг@пример.рф", "с русскими буквами до знака @"},
		{sms, "12", "Проверьте номер"},
		{sms, "8 809 123-45-67", "платные"},
		{sms, "8 916 123-45-67", "+7 916 123-45-67"},
		{sms, "+7 (916) 123 45 67", "сегодня уже отправляли"},
		{mail, "friend@example.ru", "friend@example.ru"},
		{mail, "third@example.ru", "дневной предел исчерпан"},
	} {
		c.to(p, "/referral/invite")
		p.Click(try.way)
		p.Fill(field[try.way], try.to)
		p.Follow(func() { p.Click("Пригласить") })
		p.WaitText(try.said)
		judge(t, p)
	}
	f.letter(t, "friend@example.ru")
	f.short(t, 1)
	if all := f.mail.Mails(""); len(all) != 1 {
		t.Errorf("%d mails went out, want one", len(all))
	}
}
