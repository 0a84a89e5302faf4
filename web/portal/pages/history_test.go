package pages_test

import (
	"net/http"
	"slices"
	"testing"

	"referral/billing"
	"referral/models"
)

func TestFriends(t *testing.T) {
	s := open(t)
	s.get(inviter, "/referral/friends").wants(http.StatusOK, "ID клиента Название Код активирован 1204 ООО «Ю***» 20.04.2026 1107 ИП К*** 05.03.2026 931 Р*** 10.01.2026",
		"благодаря вам: 3_клиента.").lacks("Показать более ранние")
	s.get(empty, "/referral/friends").wants(http.StatusOK, "Здесь появятся друзья", "Пригласить")
}

// next is where the older part of a list is; empty when there is none.
func (p *shown) next() string {
	for _, a := range p.all("a") {
		if attr(a, "rel") == "next" {
			return attr(a, "href")
		}
	}
	return ""
}

func TestFriendsByPages(t *testing.T) {
	s := open(t)
	page := s.get(full, "/referral/friends")
	seen := len(page.all("tr")) - 1
	for page.next() != "" {
		page = s.get(full, page.next())
		seen += len(page.all("tr")) - 1
	}
	if seen != 55 {
		t.Errorf("%d clients on all pages, want 55", seen)
	}
	page.wants(http.StatusOK, "К новым", "ООО «К***» 1")
	s.get(full, "/referral/friends?after=nonsense").wants(http.StatusNotFound, "Такой страницы нет")
}

func TestHistoryOfChanges(t *testing.T) {
	s := open(t)
	s.get(inviter, "/referral/history").wants(http.StatusOK,
		"с 20.04.2026 60% Клиент 1204 активировал ваш код: ступень 3",
		"05.03.2026 – 19.04.2026 40% Клиент 1107 активировал ваш код: ступень 2",
		"24.02.2026 – 04.03.2026 20% Закончился срок скидки новому клиенту",
		"10.01.2026 – 23.02.2026 40% Клиент 931 активировал ваш код: ступень 1 20% за приведенных клиентов и 20% новому клиенту",
		"24.11.2025 – 09.01.2026 20% Начала действовать", "24.11.2025 10% АТС отключена",
		"02.06.2025 – 23.11.2025 0% Закончился срок скидки за приведенных клиентов",
		"01.06.2025 20%")
	s.get(empty, "/referral/history").wants(http.StatusOK, "Скидка пока не менялась", "Счетов пока нет")
}

// At 100 % another friend moves only the end.
func TestChangeOfTheEndOnly(t *testing.T) {
	open(t).get(full, "/referral/history").wants(http.StatusOK,
		"с 20.04.2026 без изменений Клиент 3000 активировал ваш код: срок скидки продлен по_19_апреля_2027 включительно",
		"17.04.2026 – 19.04.2026 без изменений Клиент 2999 активировал ваш код: скидка действует, как и раньше, по_16_апреля_2027 включительно")
}

func TestTerminatedAccountHasNothingPending(t *testing.T) {
	s := open(t)
	for path, says := range map[string]string{
		"/referral": "Ваша скидка сегодня Нет", "/referral/history": "Счетов нет.", "/referral/friends": "Приведенных клиентов нет.",
		"/referral/invitations": "Приглашений нет.", "/referral/invite": "больше не отправляем",
	} {
		s.get(terminated, path).wants(http.StatusOK, says).lacks("Пока", "пока", "еще")
	}
}

func TestOlderChangesEndWhereNewerBegin(t *testing.T) {
	s := open(t)
	s.get(full, s.get(full, "/referral/history").next()).wants(http.StatusOK, "19.02.2026 – 21.02.2026 без изменений", "К новым")
	s.get(full, "/referral/history?after=20&until=rubbish").wants(http.StatusOK, "с 19.02.2026 без изменений")
}

func TestMoneyByInvoice(t *testing.T) {
	page := open(t).get(inviter, "/referral/history").wants(http.StatusOK,
		"Апрель_2026 скидка до 60% INV-2026-04-885 3_450,00_₽ 0,00_₽ −1_420,00_₽ Почему столько",
		"INV-2026-03-885 3_000,00_₽ −1_122,58_₽ Почему столько", "Итого за месяц 4_210,50_₽ −1_502,13_₽")
	found := false
	for _, a := range page.all("a") {
		found = found || attr(a, "href") == "/referral/history/INV-2026-04-885" && words(a) == "Почему столько по счету INV-2026-04-885"
	}
	if !found {
		t.Error("no way to the explanation")
	}
}

func TestChartHasFigures(t *testing.T) {
	page := open(t).get(inviter, "/referral/history")
	var bars []string
	for _, li := range page.all("li") {
		if attr(li.Parent, "class") == "chart" {
			bars = append(bars, words(li))
		}
	}
	if len(bars) != 10 || bars[0] != "−9,00_₽ июл Июль_2025" || bars[9] != "−1_420,00_₽ апр Апрель_2026" {
		t.Errorf("%d bars: %q", len(bars), bars)
	}
	heights := map[string]int{}
	for _, rect := range page.all("rect") {
		if attr(rect, "width") == "10" && attr(rect, "class") == "bar-posted" {
			heights[attr(rect, "height")]++
		}
	}
	if heights["100"] != 1 || heights["1"] != 1 || heights["0"] != 4 {
		t.Errorf("heights %v: want the largest at 100, the smallest seen, and four of nothing", heights)
	}
}

// The height of a bar includes corrections of both signs.
func TestChartWithCorrections(t *testing.T) {
	s := open(t)
	month := func(p models.Period, posted, waiting models.Money) billing.MonthMoney {
		return billing.MonthMoney{Period: p, Currency: "RUB", Discount: posted, Waiting: waiting, Invoices: []billing.InvoiceSums{sums("INV-"+p.String(), p, 300000, posted, waiting)}}
	}
	s.service.scenes[empty].months = []billing.MonthMoney{
		month(202604, -100000, 75000), month(202603, 20000, -70000), month(202602, -60000, 60000), month(202601, -50000, -50000), month(202512, -30000, 40000),
	}
	page := s.get(empty, "/referral/history").wants(http.StatusOK,
		"+100,00_₽ дек Декабрь_2025 −1_000,00_₽ янв Январь_2026 0,00_₽ фев Февраль_2026 −500,00_₽ мар Март_2026 −250,00_₽ апр Апрель_2026")
	var heights []string
	for _, rect := range page.all("rect") {
		if attr(rect, "width") == "10" {
			heights = append(heights, attr(rect, "class")+" "+attr(rect, "height"))
		}
	}
	want := []string{
		"bar-waiting 0", "bar-posted 0", "bar-waiting 50", "bar-posted 50", "bar-waiting 0", "bar-posted 0", "bar-waiting 50", "bar-posted 0",
		"bar-waiting 0", "bar-posted 25",
	}
	if !slices.Equal(heights, want) {
		t.Errorf("heights\n%q, want\n%q", heights, want)
	}
}

// The list of invoices and the page of each agree: what billing has not applied is not a
// discount.
func TestHistoryShowsUnbookedParts(t *testing.T) {
	s := open(t)
	rejected := withUnbooked(sums("INV-A", 202604, 2000000, -508089, 0), -508089, 0, 0)
	settled := withUnbooked(sums("INV-B", 202604, 300000, -60000, 0), 0, -10000, -20000)
	s.service.scenes[empty].months = []billing.MonthMoney{{
		Period: 202604, Currency: "RUB", Charged: 2300000, Discount: rejected.Booked() + settled.Booked(), Review: -518089, Settled: -20000,
		Invoices: []billing.InvoiceSums{rejected, settled},
	}}
	s.get(empty, "/referral/history").wants(http.StatusOK,
		"INV-A 20_000,00_₽ 0,00_₽ −5_080,89_₽ — не проведено, мы разбираемся",
		"INV-B 3_000,00_₽ −300,00_₽ −100,00_₽ — передано в расчеты повторно −200,00_₽ — не проведено, вопрос решен отдельно",
		"Итого за месяц 23_000,00_₽ −300,00_₽")
}

func TestExplanationOfAnInvoice(t *testing.T) {
	s := open(t)
	s.get(inviter, "/referral/history/INV-2026-04-885").wants(http.StatusOK,
		"Счет INV-2026-04-885 за_апрель_2026", "Начислено 3_450,00_₽", "Проведено −1_000,00_₽ Не проведено −0,01_₽ Передано повторно −0,02_₽ Решено отдельно −0,03_₽ Будет проведено −420,00_₽",
		"Абонентская плата −1_420,00_₽ 1–30_апреля_2026 · начислено 3_000,00_₽",
		"1–19_апреля_2026 19 40% 760", "20–30_апреля_2026 11 60% 660", "Всего 1_420",
		"19_дней по 40% и 11_дней по 60% — это 19_×_40 + 11_×_60_= 1_420.",
		"3_000,00_₽ × 1_420 ÷ 3_000 = 1_420,00_₽",
		"100% за приведенных клиентов и 20% новому клиенту, вместе не больше 100%", "100,01_₽ × 1_000 ÷ 3_000 = 33,34_₽", "Округлено до копейки.",
		"Номера −50,00_₽", "Скидка 100% действовала весь срок (30_дней), поэтому она равна начисленной сумме. Запись разговоров",
		"Пакет SMS 0,00_₽ 1–30_апреля_2026 · начислено 450,00_₽ На эту услугу скидка не распространяется.",
		"video-meetings", "еще уточняется", "В эти дни скидка не действовала.", "Этой строки в счете больше нет",
		"№_1. Расчет за месяц апрель_2026 −1_100,00_₽ Проведено 23.04.2026", "Уточнение: данные поступили позже апрель_2026 +100,00_₽ Передано в расчеты",
		"Перерасчет: счет изменился май_2026 −420,00_₽ Готовится к передаче", "−0,01_₽ Не проведено, мы разбираемся", "−0,02_₽ Передано в расчеты повторно",
		"−0,03_₽ Не проведено, вопрос решен отдельно", "Скидка по данным прежней системы май_2026 −0,04_₽ Скидку дает прежняя система расчетов").lacks("internal words", "internal name")
	s.get(inviter, "/referral/history/INV-OF-ANOTHER").wants(http.StatusNotFound)
	s.get(full, "/referral/history/INV-2026-04-885").wants(http.StatusNotFound)
}
