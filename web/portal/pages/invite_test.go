package pages_test

import (
	"net/http"
	"strings"
	"testing"

	"referral/models"
	"referral/web/portal"
)

func TestInvitationIsShown(t *testing.T) {
	s := open(t)
	key := s.get(inviter, "/referral").key("/referral/invite")
	fields := []string{"channel", "email", "email", " olga@example.ru ", "phone", "", "key", key}
	sent := s.post(inviter, "/referral/invite", fields...)
	if i := s.service.invites[0]; i.Channel != models.Email || i.Recipient != "olga@example.ru" || i.Key == "" {
		t.Errorf("invite %+v", i)
	}
	at := sent.Header.Get("Location")
	if strings.Contains(at, "olga") {
		t.Errorf("the address %s names the recipient", at)
	}
	s.get(inviter, at).wants(http.StatusOK, "Приглашение принято к отправке: olga@example.ru.", "olga@example.ru email 25.04.2026_12:00 В очереди на отправку")
	s.get(inviter, "/referral/invitations").lacks("Приглашение принято")
	s.get(empty, at).lacks("Приглашение принято", "olga")
}

func TestRepeatedInvitationIsOneRequest(t *testing.T) {
	s := open(t)
	for _, phone := range []string{"8 912 345-67-89", "8 912 345-67-89", "8 912 345-67-80"} {
		s.post(inviter, "/referral/invite", "channel", "sms", "phone", phone, "key", "k")
	}
	i := s.service.invites
	if i[0].Channel != models.SMS || i[0].Key != i[1].Key || i[0].Key == i[2].Key {
		t.Errorf("invites %+v", i)
	}
}

func TestWordsOfInvitationRefusals(t *testing.T) {
	for _, c := range []struct {
		channel, to string
		status      int
		says        string
	}{
		{"email", "ivan", http.StatusUnprocessableEntity, "Проверьте адрес"},
		{"sms", "12", http.StatusUnprocessableEntity, "нужен мобильный телефон"},
		{"sms", "+78091234567", http.StatusUnprocessableEntity, "Сообщения на этот номер платные"},
		{"email", "а@example.ru", http.StatusUnprocessableEntity, "легко принять за другой"},
		{"email", "друг@пример.рф", http.StatusUnprocessableEntity, "с русскими буквами до знака @"},
		{"email", "eleventh@example.ru", http.StatusTooManyRequests, "дневной предел исчерпан. Следующее можно отправить через 12_часов."},
		{"email", "again@example.ru", http.StatusUnprocessableEntity, "сегодня уже отправляли приглашение. Следующее можно отправить через 12_часов."},
		{"email", "never@example.ru", http.StatusUnprocessableEntity, "отказался от приглашений"},
		{"email", "off@example.ru", http.StatusUnprocessableEntity, "этим способом нельзя"},
		{"email", " ", http.StatusUnprocessableEntity, "Введите email получателя."},
		{"sms", "", http.StatusUnprocessableEntity, "Введите телефон получателя."},
	} {
		page := open(t).post(inviter, "/referral/invite", "channel", c.channel, c.channel, c.to, "email", c.to, "phone", c.to).
			wants(c.status, "Приглашение не отправлено", c.says)
		id := map[string]string{"email": "email", "sms": "phone"}[c.channel]
		field := page.id(id)
		if attr(field, "aria-invalid") != "true" || attr(field, "value") != strings.TrimSpace(c.to) {
			t.Errorf("%v: the field is %v", c, field.Attr)
		}
		if chosen := page.channel(); chosen != c.channel {
			t.Errorf("%v: the form has gone back to %s", c, chosen)
		}
	}
}

// channel returns the chosen channel.
func (p *shown) channel() string {
	for _, input := range p.all("input") {
		if attr(input, "type") == "radio" && has(input, "checked") {
			return attr(input, "value")
		}
	}
	return ""
}

func TestInvitePage(t *testing.T) {
	s := open(t)
	s.get(inviter, "/referral/invite").wants(http.StatusOK, "Поделиться кодом", "K7M2QX9PA", "Email получателя", "Телефон получателя", "Пригласить")
	if got := s.get(inviter, "/referral/invite?by=sms").channel(); got != "sms" {
		t.Errorf("chosen: %s", got)
	}
	s.get(unknown, "/referral/invite").wants(http.StatusOK, "код появится").lacks("Пригласить")
	s.get(terminated, "/referral/invite").wants(http.StatusOK, "АТС отключена").lacks("Email получателя")
	for _, list := range []string{"/referral/friends", "/referral/invitations"} {
		s.get(terminated, list).wants(http.StatusOK).lacks("Пригласить", "получите скидку")
	}
}

func TestInvalidFormIsRefused(t *testing.T) {
	s := open(t)
	s.post(inviter, "/referral/invite", "channel", "pigeon", "email", "a@example.ru").wants(http.StatusBadRequest, "Запрос не удалось прочитать")
	s.post(inviter, "/referral/invite").wants(http.StatusBadRequest)
	if len(s.service.invites) > 0 {
		t.Error("it reached the service")
	}
}

func TestControlCharactersAreRemoved(t *testing.T) {
	s := open(t)
	s.post(inviter, "/referral/invite", "channel", "email", "email", "a@example.ru\r\nBcc: b@example.ru\x00")
	if got := s.service.invites[0].Recipient; got != "a@example.ruBcc: b@example.ru" {
		t.Errorf("recipient %q", got)
	}
	s.post(newcomer, "/referral/activate", "code", strings.Repeat("я", 5000), "key", strings.Repeat("k", 5000))
	if a := s.service.attempts[0]; len(a.Code) > 320 || a.Key != "" {
		t.Errorf("%d bytes of code, key %q", len(a.Code), a.Key)
	}
}

func TestInvitationStates(t *testing.T) {
	open(t).get(inviter, "/referral/invitations").wants(http.StatusOK, "В очереди на отправку",
		"+7_912_345-67-89 SMS 25.04.2026_10:00 Отправляется", "Доставлено", "Отправлено", "Не доставлено", "второй раз не отправим", "Получатель отказался")
	open(t).get(empty, "/referral/invitations").wants(http.StatusOK, "Вы пока никому не отправляли приглашений.")
}

func TestRussianDomainIsDecoded(t *testing.T) {
	s := open(t)
	for _, c := range []struct{ kept, shown string }{
		{"name@xn--e1afmkfd.xn--p1ai", "name@пример.рф"},
		{"name@mail.xn--e1afmkfd.xn--p1ai", "name@mail.пример.рф"},
		{"xn--name@example.ru", "xn--name@example.ru"},
		{"name@xn--0.ru", "name@xn--0.ru"},
		{"Anna.Petrova+x@example.ru", "Anna.Petrova+x@example.ru"},
	} {
		at := s.post(empty, "/referral/invite", "channel", "email", "email", c.kept).Header.Get("Location")
		s.get(empty, at).wants(http.StatusOK, "Приглашение принято к отправке: "+c.shown+".", c.shown+" email 25.04.2026_12:00")
	}
}

func TestErasedRecipient(t *testing.T) {
	service := scenes()
	for i := range service.scenes[inviter].invitations {
		service.scenes[inviter].invitations[i].Recipient = ""
	}
	openOver(t, service).get(inviter, "/referral/invitations").wants(http.StatusOK,
		"адрес удален email 25.04.2026_11:00 В очереди на отправку", "адрес удален SMS 25.04.2026_10:00 Отправляется")
}

func TestOptingOut(t *testing.T) {
	s := open(t)
	s.get(nobody, "/referral/opt-out/"+goodToken).wants(http.StatusOK, "Больше не присылать приглашения?")
	if len(s.service.optedOut) != 0 {
		t.Error("looking at the page has opted somebody out")
	}
	s.post(nobody, "/referral/opt-out/"+goodToken).wants(http.StatusOK, "Готово")
	s.post(nobody, "/referral/opt-out/"+goodToken, "List-Unsubscribe", "One-Click").wants(http.StatusOK, "на этот адрес или номер больше приходить не будут")
	s.post(nobody, "/referral/opt-out/unknown").wants(http.StatusNotFound, "Ссылка не подходит")
	if got := strings.Join(s.service.optedOut, " "); got != goodToken+" "+goodToken+" unknown" {
		t.Errorf("opted out: %s", got)
	}
}

var _ portal.Service = (*fakeService)(nil)
