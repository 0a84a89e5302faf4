package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/billing"
	"referral/models"
	"referral/web/auth/authtest"
	"referral/web/portal"
)

func urlEscaped(s string) string { return url.QueryEscape(s) }

func TestJoining(t *testing.T) {
	s := open(t)
	page := s.get(newcomer, "/referral").wants(http.StatusOK, "Вступить в программу",
		"Если есть код для приглашения, то введите его ниже:", "Применить", "У меня нет кода",
		"по 10_мая_2026 включительно", "Осталось: 15_дней 12_часов",
		"скидку 20% на первые 3_месяца пользования", "Скидка начнет действовать после окончания промо-периода")
	page.lacks("Ваш личный код", "История скидок")
	timer := page.all("time")[0]
	if attr(timer, "datetime") != "2026-05-10" {
		t.Errorf("the last day for machines is %q", attr(timer, "datetime"))
	}
}

func TestSentenceInsteadOfTheFieldAfterTheWindow(t *testing.T) {
	s := open(t)
	page := s.get(latecomer, "/referral?code=K7M2QX9PA").wants(http.StatusOK,
		"Срок ввода кода-приглашения закончился 10_февраля_2026", "Вступить можно и без кода", "Вступить в программу")
	if _, there := page.field("code"); there {
		t.Error("the field is still there")
	}
}

// The end of the window is a hint, or a notice for a client that followed a link.
func TestMainPageAfterTheWindow(t *testing.T) {
	s := open(t)
	const late = "Срок ввода кода-приглашения закончился 10_февраля_2026"
	for name, c := range map[string]struct {
		page *shown
		in   string // class of what the sentence stands in
	}{
		"as ever":         {s.get(empty, "/referral"), "hint"},
		"by a link":       {s.get(empty, "/referral?code=K7M2QX9PA"), ""},
		"after a refusal": {s.post(empty, "/referral/activate", "code", "late"), "hint"},
	} {
		page := c.page
		if n := strings.Count(page.Text, late); n != 1 {
			t.Errorf("%s: the sentence stands there %d times:\n%s", name, n, page.Text)
		}
		page.lacks("Получите скидку по коду-приглашению")
		for _, p := range page.all("p") {
			if strings.HasPrefix(words(p), late) && attr(p, "class") != c.in {
				t.Errorf("%s: it stands in a %q", name, attr(p, "class"))
			}
		}
	}
	for _, account := range []int64{promised, both, terminated} {
		s.get(account, "/referral?code=K7M2QX9PA").wants(http.StatusOK).lacks("Срок ввода")
	}
	s.get(bare, "/referral?code=K7M2QX9PA").wants(http.StatusOK, "Применить").lacks("Срок ввода")
}

func TestWindowOfTheTerms(t *testing.T) {
	for months, want := range map[int]string{
		0: "од можно ввести только в день регистрации АТС.", 1: "од можно ввести в течение месяца после регистрации АТС.",
		2: "од можно ввести в течение двух месяцев после регистрации АТС.", 5: "од можно ввести в течение 5_месяцев после регистрации АТС.",
		21: "од можно ввести в течение 21_месяца после регистрации АТС.",
	} {
		s := open(t)
		for _, account := range []int64{latecomer, empty, waiting} {
			s.service.scenes[account].overview.Window.Months = months
		}
		s.service.scenes[waiting].overview.Pending = false
		s.get(waiting, "/referral").wants(http.StatusOK, "К"+want)
		s.get(latecomer, "/referral").wants(http.StatusOK, "закончился 10_февраля_2026: к"+want)
		// The term stands in one place, not in the refusal as well.
		page := s.post(empty, "/referral/activate", "code", "late").wants(http.StatusUnprocessableEntity, "Срок ввода кода закончился.", "к"+want)
		if n := strings.Count(page.Text, "регистрации АТС"); n != 1 {
			t.Errorf("with %d months the term stands there %d times", months, n)
		}
	}
}

func TestOfferOfTheTerms(t *testing.T) {
	for months, want := range map[int]string{1: "на первый месяц пользования", 2: "на первые 2_месяца пользования", 21: "на первые 21_месяц пользования"} {
		s := open(t)
		s.service.scenes[newcomer].overview.Offer.Months = months
		s.get(newcomer, "/referral").wants(http.StatusOK, "скидку 20% "+want)
	}
}

func TestLinkFillsInTheCode(t *testing.T) {
	s := open(t)
	for _, account := range []int64{newcomer, bare, unknown} {
		if code, _ := s.get(account, "/referral?code=k7m-2qx+9pa").field("code"); code != "K7M2QX9PA" {
			t.Errorf("account %d: the field holds %q", account, code)
		}
	}
}

func TestFormMustBeUTF8(t *testing.T) {
	s := open(t)
	s.post(newcomer, "/referral/activate", "code", "k7m2qx9p\xffa").wants(http.StatusBadRequest)
	s.post(inviter, "/referral/invite", "channel", "email", "email", "a\xedlice@example.ru").wants(http.StatusBadRequest)
	if len(s.service.attempts)+len(s.service.invites) != 0 {
		t.Errorf("taken: %v, %v", s.service.attempts, s.service.invites)
	}
}

func TestActivationRedirects(t *testing.T) {
	s := open(t)
	form := s.get(newcomer, "/referral")
	fields := []string{"code", " k7m 2qx 9pa ", "key", form.key("/referral/activate")}
	s.post(newcomer, "/referral/activate", fields...).leadsTo("/referral?done=activated")
	s.post(newcomer, "/referral/activate", fields...)
	if a, b := s.service.attempts[0], s.service.attempts[1]; a.Key == "" || a.Key != b.Key {
		t.Errorf("sent twice, the keys are %q and %q: want one", a.Key, b.Key)
	}
	if a := s.service.attempts[0]; models.NormalCode(a.Code) != "K7M2QX9PA" || a.ClientIP != "192.0.2.1" {
		t.Errorf("attempt %+v", a)
	}
	s.get(newcomer, "/referral?done=activated").wants(http.StatusOK, "Код принят: вы подключены к реферальной программе.",
		"Вам обещана скидка 20% на 3_месяца", "после окончания промо-периода (по плану — 4_мая_2026)")
}

func TestCorrectedFormIsAnotherRequest(t *testing.T) {
	s := open(t)
	key := s.get(newcomer, "/referral").key("/referral/activate")
	s.post(newcomer, "/referral/activate", "code", "unknown", "key", key)
	s.post(newcomer, "/referral/activate", "code", "UNK-NOWN", "key", key)
	s.post(newcomer, "/referral/activate", "code", "own", "key", key)
	a := s.service.attempts
	if a[0].Key != a[1].Key || a[0].Key == a[2].Key {
		t.Errorf("keys %q, %q, %q: want the same for the same code", a[0].Key, a[1].Key, a[2].Key)
	}
}

func TestWordsOfRefusals(t *testing.T) {
	for code, c := range map[string]struct {
		status int
		says   string
	}{
		"unknown": {http.StatusUnprocessableEntity, "Такого кода нет"},
		"own":     {http.StatusUnprocessableEntity, "Это ваш собственный код"},
		"company": {http.StatusUnprocessableEntity, "тот же ИНН"},
		"again":   {http.StatusUnprocessableEntity, "Вы уже вводили код-приглашение"},
		"late":    {http.StatusUnprocessableEntity, "Срок ввода кода закончился"},
		"toomany": {http.StatusTooManyRequests, "Слишком много попыток ввода кода. Попробуйте снова через 14_минут."},
		"--":      {http.StatusUnprocessableEntity, "Введите код из приглашения."},
	} {
		s := open(t)
		page := s.post(newcomer, "/referral/activate", "code", code, "key", "k").wants(c.status, "Код не применен", c.says)
		field := page.id("code")
		if attr(field, "aria-invalid") != "true" || !strings.Contains(attr(field, "aria-describedby"), "code-error") {
			t.Errorf("%s: the field does not say what is wrong with it: %v", code, field.Attr)
		}
		if got := attr(field, "value"); got != strings.TrimSpace(code) && models.NormalCode(code) != "" {
			t.Errorf("%s: what was typed is lost: %q", code, got)
		}
		if title := words(page.all("title")[0]); !strings.HasPrefix(title, "Ошибка:") {
			t.Errorf("the title is %q", title)
		}
	}
}

func TestThrottlingSetsRetryAfter(t *testing.T) {
	page := open(t).post(newcomer, "/referral/activate", "code", "toomany")
	if got := page.Header.Get("Retry-After"); got != "801" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestRefusalOnTheMainPage(t *testing.T) {
	page := open(t).post(bare, "/referral/activate", "code", "unknown").wants(http.StatusUnprocessableEntity, "Ваш личный код", "Такого кода нет")
	if _, there := page.field("code"); !there {
		t.Error("no field")
	}
}

func TestCodeBeforeTheRegistration(t *testing.T) {
	s := open(t)
	s.post(unknown, "/referral/activate", "code", "waiting").leadsTo("/referral?done=waiting")
	page := s.get(waiting, "/referral?done=waiting").wants(http.StatusOK, "Код сохранен.", "Мы проверим его, как только поступят сведения о регистрации")
	if _, there := page.field("code"); there {
		t.Error("the field is there although a code waits")
	}
	s.get(unknown, "/referral").wants(http.StatusOK, "Код можно ввести в течение месяца после регистрации АТС.").lacks("Осталось")
}

func TestJoinWithoutACode(t *testing.T) {
	s := open(t)
	s.post(newcomer, "/referral/enter").leadsTo("/referral?done=entered")
	if len(s.service.joinedWithoutCode) != 1 || s.service.joinedWithoutCode[0] != newcomer {
		t.Errorf("entered: %v", s.service.joinedWithoutCode)
	}
	s.get(newcomer, "/referral?done=entered").wants(http.StatusOK, "Вы вступили в программу", "Ваш личный код",
		"Получите скидку по коду-приглашению", "Применить")
}

func TestURLCannotClaimASuccess(t *testing.T) {
	s := open(t)
	s.get(empty, "/referral?done=activated").lacks("Код принят")
	s.get(empty, "/referral?done=waiting").lacks("Код сохранен")
	s.get(promised, "/referral?done=entered").lacks("Вы вступили")
	s.get(newcomer, "/referral?done=<b>x</b>").lacks("<b>x</b>")
}

func TestMyCodeAndDiscount(t *testing.T) {
	s := open(t)
	page := s.get(inviter, "/referral").wants(http.StatusOK, "Ваш личный код", "K7M 2QX 9PA", "Скопировать", "Пригласить",
		"60%", "по_19_апреля_2027 включительно", "60% за приведенных клиентов",
		"Следующий приведенный клиент увеличит скидку за друзей с 60% до 80% и продлит ее по 24_апреля_2027 включительно.",
		"Поделиться кодом", "Отправить email", "Отправить SMS", "Email получателя")
	code := page.id("my-code")
	if got := strings.ReplaceAll(words(code), " ", ""); got != "K7M2QX9PA" {
		t.Errorf("the code to be selected is %q", got)
	}
	for d := range code.Descendants() {
		if strings.ContainsAny(d.Data, " \n") {
			t.Error("a blank would be copied with the code")
		}
	}
	if link, _ := page.field("link"); link != "https://cabinet.example.ru/referral?code=K7M2QX9PA" {
		t.Errorf("the link is %q", link)
	}
	if _, there := page.field("code"); there {
		t.Error("a field for a code although it is too late")
	}
}

func TestOwnStepIsMarked(t *testing.T) {
	page := open(t).get(inviter, "/referral")
	rows := 0
	for _, row := range page.all("tr") {
		if attr(row, "aria-current") != "true" {
			continue
		}
		rows++
		if got := words(row); got != "3 вы здесь 60% 12_месяцев пакет из 1200_SMS" {
			t.Errorf("the own row says %q", got)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows are marked", rows)
	}
	open(t).get(empty, "/referral").lacks("вы здесь")
}

func TestPackageStates(t *testing.T) {
	open(t).get(inviter, "/referral").wants(http.StatusOK,
		"1200_SMS Заработан 20_апреля_2026, подключим с_расчетом за_апрель_2026", "Подключен", "Передан на подключение", "Не подключен")
	open(t).get(empty, "/referral").wants(http.StatusOK, "Пакеты SMS Пока нет.")
}

// A package of a past month that has not been sent is shown without the month.
func TestPackageOfAPastMonth(t *testing.T) {
	s := open(t)
	s.service.scenes[empty].overview.Packages = []billing.PortalPackage{
		{SMS: 1200, EarnedOn: day("2025-01-20"), State: billing.PackageEarned, Period: 202501},
		{SMS: 3200, EarnedOn: day("2026-03-31"), State: billing.PackageEarned, Period: 202603},
	}
	s.get(empty, "/referral").wants(http.StatusOK, "1200_SMS Заработан 20_января_2025, ожидает подключения", "3200_SMS Заработан 31_марта_2026, ожидает подключения").
		lacks("подключим")
}

func TestDiscountsInEveryState(t *testing.T) {
	s := open(t)
	s.get(both, "/referral").wants(http.StatusOK, "60% по_31_мая_2026 включительно", "40% за приведенных клиентов", "20% новому клиенту по коду-приглашению",
		"с 40% до 60% и продлит ее по 24_апреля_2027 включительно и принесет пакет из 1200_SMS.")
	s.get(full, "/referral").wants(http.StatusOK, "сохранит скидку 100% и продлит ее по 24_апреля_2027")
	s.get(empty, "/referral").wants(http.StatusOK, "Пока нет", "даст вам скидку 20% по 24_июля_2026 включительно")
	page := s.get(terminated, "/referral").wants(http.StatusOK, "Ваша АТС отключена").lacks("Следующий приведенный", "Пригласить")
	if page.id("share") != nil {
		t.Error("a dialog that nothing can come of")
	}
}

func TestNoticeOfATermination(t *testing.T) {
	s := open(t)
	s.get(leaving, "/referral").wants(http.StatusOK,
		"Ваша АТС будет отключена 1_июля_2026. Последний день, когда могут действовать скидки, — 30_июня_2026.",
		"20% по_30_июня_2026 включительно", "Ваш личный код", "Пригласить",
		"Следующий приведенный клиент увеличит скидку за друзей с 20% до 40% по 30_июня_2026 включительно.").lacks("отключена, поэтому", "продлит")
	s.get(leaving, "/referral/invite").wants(http.StatusOK, "Email получателя").lacks("отключена")
}

func TestTerminatedAccountCannotJoin(t *testing.T) {
	s := open(t)
	for _, page := range []*shown{s.get(outsider, "/referral"), s.get(outsider, "/referral?code=K7M2QX9PA")} {
		page.wants(http.StatusOK, "Ваша АТС отключена, поэтому скидки по реферальной программе на нее больше не предоставляются.").
			lacks("Вступить", "Получайте скидки", "Скидка действует", "Применить", "У меня нет кода", "Срок ввода")
		for _, f := range page.all("form") {
			if attr(f, "action") != authtest.SignOutPath {
				t.Errorf("a form leads to %s", attr(f, "action"))
			}
		}
	}
	s.post(outsider, "/referral/activate", "code", "unknown").wants(http.StatusUnprocessableEntity, "Такого кода нет", "Ваша АТС отключена").lacks("Вступить")
	s.post(outsider, "/referral/enter")
	s.get(outsider, "/referral?done=entered").wants(http.StatusOK, "Ваша АТС отключена").lacks("Поделитесь")
}

func TestJoiningPageAnnouncesATermination(t *testing.T) {
	open(t).get(soon, "/referral").wants(http.StatusOK, "Вступить в программу", "Применить", "Ваша АТС будет отключена 1_июля_2026.")
}

func TestErrorPages(t *testing.T) {
	s := open(t)
	s.service.keyed = portal.ErrKeyReused
	s.post(newcomer, "/referral/activate", "code", "x", "key", "k").wants(http.StatusConflict, "Страница устарела")
	s.service.keyed = nil
	s.service.broken = errUnavailable
	for _, page := range []*shown{
		s.get(newcomer, "/referral"), s.post(newcomer, "/referral/activate", "code", "x"), s.post(newcomer, "/referral/enter"),
		s.get(inviter, "/referral/friends"), s.get(inviter, "/referral/history"), s.get(inviter, "/referral/history/INV-2026-04-885"),
		s.get(inviter, "/referral/invitations"), s.get(inviter, "/referral/invite"),
		s.post(inviter, "/referral/invite", "channel", "email", "email", "a@example.ru"), s.post(nobody, "/referral/opt-out/"+goodToken),
	} {
		page.wants(http.StatusServiceUnavailable, "Кабинет временно недоступен", "С ними ничего не случилось").lacks("database")
		if page.Header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After %q", page.Header.Get("Retry-After"))
		}
	}
}

func TestSecondSubmissionGetsTheFirstAnswer(t *testing.T) {
	s := open(t)
	s.service.underWay = 2
	s.post(newcomer, "/referral/activate", "code", "K7M2QX9PA", "key", "k").leadsTo("/referral?done=activated")
	if len(s.service.attempts) != 3 {
		t.Errorf("%d attempts, want 3", len(s.service.attempts))
	}
	s.service.underWay = 1000
	s.post(inviter, "/referral/invite", "channel", "email", "email", "a@example.ru", "key", "k").wants(http.StatusConflict, "Страница устарела")
}

func TestFormPathsRedirectHome(t *testing.T) {
	s := open(t)
	s.get(newcomer, "/referral/activate").leadsTo("/referral")
	s.get(newcomer, "/referral/enter").leadsTo("/referral")
}

func TestMissingPrincipalIsADefect(t *testing.T) {
	open(t).get(nobody, "/referral").wants(http.StatusInternalServerError, "Что-то пошло не так")
}
