package pages_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/models"
)

// worldInsight is what was written about suspicions.
type worldInsight struct {
	marked []string
}

var suspicious = models.Digest{0xab}

func (w *world) Suspicions(_ context.Context, seen bool, _ int) (models.Suspicions, bool, error) {
	found := models.Suspicions{
		Search: models.SuspicionSearch{At: now(), Accounts: 900, Referrals: 600, Found: 2}, Count: 1, Names: map[int64]string{885: payload, 901: "ООО «Кольцо»"},
		List: []models.Suspicion{{
			Fingerprint: suspicious, Signs: []models.SuspicionSign{models.SuspiciousRing, models.SuspiciousTaxID, models.SuspiciousDomain}, FoundAt: now(),
			Stakes:    []models.Stake{{Currency: "KZT", Posted: -700}, {Currency: "RUB", Posted: -123456, Ahead: -500}},
			Referrals: []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: now()}, {InviterID: 901, InviteeID: 885, ActivatedAt: now()}},
		}},
	}
	if seen {
		s := &found.List[0]
		s.Signs, s.Seen = []models.SuspicionSign{models.SuspiciousPhone}, &models.SuspicionSeen{At: now(), Who: payload, Note: "родственники"}
		for n := range int64(30) {
			s.Referrals = append(s.Referrals, models.Referral{InviterID: 885, InviteeID: 1000 + n, ActivatedAt: now()})
		}
	}
	return found, true, w.err
}

func (w *world) MarkSuspicionSeen(_ context.Context, fingerprint models.Digest, who string, role models.Role, note string) (found, marked bool, err error) {
	if fingerprint != suspicious {
		return false, false, w.err
	}
	w.marked = append(w.marked, fmt.Sprint(who, ", ", role, ": ", note))
	return true, true, w.err
}

func (w *world) Forecasts(context.Context) (made []models.Forecast, actual []models.Cost, err error) {
	cost := func(month models.Period, kind models.DiscountKind, step int, amount models.Money) models.Cost {
		return models.Cost{CostKey: models.CostKey{Month: month, Currency: "RUB", Kind: kind, Step: step}, Amount: amount}
	}
	tenge := cost(202605, models.Inviter, 1, -90000)
	tenge.Currency = "KZT"
	return []models.Forecast{
			{MadeFor: 202605, MadeAt: now(), Costs: []models.Cost{tenge, cost(202605, models.Invitee, 0, -10000), cost(202605, models.Inviter, 2, -30000), cost(202606, models.Inviter, 2, -5000)}},
			{MadeFor: 202603, MadeAt: now(), Costs: []models.Cost{cost(202604, models.Inviter, 1, -11000)}},
			{MadeFor: 202601, MadeAt: now(), Costs: []models.Cost{cost(202604, models.Inviter, 1, -8000), cost(202604, models.Invitee, 0, -500)}},
		},
		[]models.Cost{cost(202604, models.Inviter, 1, -9000), cost(202604, models.Invitee, 0, -1000), cost(202603, models.Inviter, 1, -700)}, w.err
}

// What is suspicious is shown with the money, and a person with the right to marks it.
func TestSuspicionsPage(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	finance, auditor := as(r, models.RoleFinance), as(r, models.RoleAuditor)
	page := r.Get(finance, "/finance/suspicions").Body
	for _, want := range []string{"Клиенты пригласили друг друга по кругу: один ИНН, один домен почты", "−7,00 KZT, −1 234,56 ₽", "0,00 KZT, −5,00 ₽", "ООО «Кольцо»", "Не просмотренные: 1", "приведений 600"} {
		if !strings.Contains(strings.ReplaceAll(page, "\u00a0", " "), want) {
			t.Errorf("not %q in %s", want, page)
		}
	}
	if strings.Contains(page, payload) || !strings.Contains(page, `href="/finance/clients/901"`) {
		t.Errorf("%s", page)
	}
	if body := r.Get(auditor, "/finance/suspicions").Body; strings.Contains(body, "<form class=\"act\"") || !strings.Contains(body, "Кольцо") {
		t.Errorf("an auditor sees %s", body)
	}
	seen := r.Get(auditor, "/finance/suspicions?seen=yes").Body
	if !strings.Contains(seen, "родственники") || !strings.Contains(seen, "Клиенты с общими реквизитами: один телефон") || !strings.Contains(seen, "И еще приведений: 12") || strings.Contains(seen, payload) {
		t.Errorf("%s", seen)
	}

	path := "/finance/suspicions/" + hex.EncodeToString(suspicious[:]) + "/seen"
	if got := r.Post(finance, path, url.Values{"note": {"  родственники "}}); got.Status != http.StatusOK || !strings.Contains(got.Body, "Отмечено и записано в журнал") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if len(w.marked) != 1 || w.marked[0] != "Анна Котова, finance: родственники" {
		t.Errorf("%q", w.marked)
	}
	if got := r.Post(finance, path, url.Values{"note": {" "}}); !strings.Contains(got.Body, "напишите, что выяснили") || len(w.marked) != 1 {
		t.Errorf("without a note: %s, %q", got.Body, w.marked)
	}
	for _, wrong := range []string{"00", hex.EncodeToString(make([]byte, 32))} {
		if got := r.Post(finance, "/finance/suspicions/"+wrong+"/seen", url.Values{"note": {"x"}}); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", wrong, got.Status)
		}
	}
	if got := r.Post(finance, path, url.Values{"note": {strings.Repeat("я", 501)}}); got.Status != http.StatusBadRequest || len(w.marked) != 1 {
		t.Errorf("a note that is too long: %d, %q", got.Status, w.marked)
	}
}

// The forecast is shown by month, kind and step, and past ones beside what came.
func TestLiabilitiesPage(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	page := strings.NewReplacer("\u00a0", " ", "&#43;", "+").Replace(r.Get(as(r, models.RoleController), "/finance/liabilities").Body)
	for _, want := range []string{
		"−450,00 ₽", "−900,00 KZT", "которые уже положены, KZT", "что вышло, RUB", "Май 2026", "Апрель 2027", "За приведенных клиентов, ступень 2", "−350,00 ₽", "Ожидали за 1 месяц", "Ожидали за 3 месяца", "Ожидали за 6 месяцев",
		`<th scope="row">Апрель 2026</th><td class="num">−110,00 ₽</td><td class="num">+10,0%</td><td class="num">−85,00 ₽</td><td class="num">−15,0%</td><td class="num">—</td><td class="num">—</td><td class="num">−100,00 ₽</td>`,
		`<th scope="row">За приведенных клиентов, ступень 1</th><td class="num">−110,00 ₽</td><td class="num">+22,2%</td><td class="num">−80,00 ₽</td><td class="num">−11,1%</td>`,
		`<th scope="row">Новый клиент</th><td class="num">0,00 ₽</td><td class="num">−100,0%</td>`,
		`<th scope="row">Март 2026</th><td class="num">—</td>`,
		`<rect class="bar-inviter" x="0" y="0" width="10" height="75"/><rect class="bar-invitee" x="0" y="75" width="10" height="25"/>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("not %q in %s", want, page)
		}
	}
}

// What the pages show can be taken away, with the same sums.
func TestInsightExports(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	for path, wants := range map[string][]string{
		"/finance/suspicions":          {"ab00000000000000,\"Клиенты пригласили друг друга по кругу, один ИНН, один домен почты\",2,2026-05-03", "Суммы,ab00000000000000,KZT,-7.00,0.00", "Суммы,ab00000000000000,RUB,-1234.56,-5.00", "885,", "ООО «Кольцо»"},
		"/finance/suspicions?seen=yes": {"родственники", ",1029,"},
		"/finance/liabilities":         {"Прогноз,inviter,2,RUB,-300.00,-50.00,", "Прогноз,inviter,1,KZT,-900.00,", "Ожидали и вышло,2026-04,RUB,-110.00,-85.00,,-100.00"},
		"/finance/simulate/5":          {"По месяцам,2026-04,RUB,-1420.00,-1040.00,380.00", "По месяцам,2026-04,KZT,-2.00,-1.00,1.00", "Клиенты и пакеты,2026-04,1,0,0", "По ступеням,inviter,2,RUB,-760.00,-380.00,380.00", "По начислениям,3000.00,10000.00,1,1,"},
	} {
		page := r.Get(browser, path).Body
		_, link, _ := strings.Cut(page, "Выгрузить: <a href=\"")
		link, _, _ = strings.Cut(link, "\"")
		link = strings.Replace(strings.ReplaceAll(link, "&amp;", "&"), "format=xlsx", "format=csv", 1)
		got := r.Get(browser, link)
		for _, want := range wants {
			if got.Status != http.StatusOK || !strings.Contains(got.Body, want) {
				t.Errorf("%s leads to %s (%d), without %q: %s", path, link, got.Status, want, got.Body)
			}
		}
		if got := r.Get(browser, strings.Replace(link, "format=csv", "format=xlsx", 1)); got.Status != http.StatusOK || !strings.HasPrefix(got.Body, "PK") {
			t.Errorf("%s: %d", link, got.Status)
		}
		if got := r.Get(browser, strings.Replace(link, "format=csv", "format=pdf", 1)); got.Status != http.StatusNotFound {
			t.Errorf("%s as a PDF: %d", link, got.Status)
		}
	}
}
