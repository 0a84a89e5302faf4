package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"referral/internal/ru"
	"referral/models"
	"referral/test/browser"
)

// TestTwoPersonsSignAMonth is the end of a month on the pages: an accountant proposes to
// sign it, a controller signs although the service is killed in between, the report is
// taken away as it was hashed, and what comes late is shown beside it.
func TestTwoPersonsSignAMonth(t *testing.T) {
	c := newStaffWorld(t)
	month := today().Period().Previous()
	first := month.First()
	c.send(client(inviter, "Резервация", noon(first-200)), client(invitee, "Новые окна", noon(first-5)))
	c.learnCodes(inviter)
	c.send(activation(invitee, c.codes[inviter], noon(first-3)))
	c.send(bill(inviter, month, deal), bill(inviter, month.Previous(), deal))
	c.drained()
	c.must("run", month.String())
	c.published()
	c.answer()
	number := fmt.Sprintf("INV-%s-%d", month, inviter)
	posted := ru.Off(models.Money(-deal/5), "RUB")

	p := c.visit(t, person("referral-finance"), "/finance/months/"+month.String(), browser.Options{})
	p.Follow(func() { p.Click("Подписать месяц") })
	sees(t, p, "Все ли готово", "Месяц закончился", "Сверка проведена после расчета")
	p.Fill("Причина", "месяц сошелся")
	p.Fill("Почему подписать, хотя не все готово", "ночной сверки еще не было")
	proposal := p.Follow(func() { p.Click("Отправить на утверждение") }).URL
	sees(t, p, "Ждет решения", "месяц сошелся", "ночной сверки еще не было")

	p = c.visit(t, person("referral-controller"), strings.TrimPrefix(proposal, c.site), browser.Options{})
	c.killedWhileSigning(month, func() {
		p.Follow(func() { p.Click("Утвердить и выполнить") })
		sees(t, p, "Месяц подписывается")
	})
	c.to(p, "/finance/months/"+month.String()+"/sign")
	p.WaitText("Месяц подписан")
	if n := c.number("SELECT count(*) AS n FROM signatures"); n != 1 {
		t.Errorf("%d signatures", n)
	}
	c.reconciled(month)
	c.reconciled(month.Previous())
	c.to(p, "/finance/months/"+month.String())
	sees(t, p, "Закрыт", "После подписания", "После подписи за этот месяц ничего не проведено", "Новые приглашающие", "ступень 1", "Биллинг не ответил", "Положено, но не получено")
	p.Follow(func() { p.Click("Подписанный отчет") })
	digest := c.signedDigest()
	sees(t, p, digest, "Предложил", "месяц сошелся", posted, "Реестр месяца")
	if got := sha256.Sum256(c.download(t, p, "/finance/months/"+month.String()+"/report/export?format=json")); hex.EncodeToString(got[:]) != digest {
		t.Errorf("the report that was taken away has another digest: %x", got)
	}
	c.published()
	announced := heard[struct {
		Report string `json:"report_sha256"`
	}](c.world, "events", string(models.MonthSigned))
	if len(announced) != 1 || announced[0].data.Report != digest {
		t.Errorf("announced is %+v", announced)
	}

	revised := bill(inviter, month, 2*deal)
	revised.value = []byte(strings.Replace(string(revised.value), `"revision":1`, `"revision":2`, 1))
	c.send(revised)
	c.drained()
	c.must("run", month.String())
	c.published()
	c.to(p, "/finance/months/"+month.String())
	sees(t, p, "После подписания", number, "счет изменился", posted, ru.MonthTitle(month.Next()))
	p.Follow(func() { p.Click("Подписанный отчет") })
	sees(t, p, digest)
	if now := c.signedDigest(); now != digest {
		t.Errorf("the signed report has changed: %s, before %s", now, digest)
	}
	verified := c.must("audit", "verify", "--period", month.String())
	if !strings.Contains(verified.stdout, digest) {
		t.Errorf("the audit says %s", verified.stdout)
	}
}

// killedWhileSigning kills the service when it is about to mark a month as signed, and
// starts it again. The order is then a minute older.
func (c *portalWorld) killedWhileSigning(month models.Period, approve func()) {
	c.t.Helper()
	release := c.begin(fmt.Sprintf("SELECT 1 FROM periods WHERE period = %d FOR UPDATE", month))
	approve()
	c.until("the month is about to be signed", func() (bool, string) {
		n := c.number("SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		return n > 0, "nobody waits for the month"
	})
	c.server.kill()
	release()
	c.execute("UPDATE run_orders SET seen_at = now() - interval '61 seconds'")
	c.serveStaff()
}

// reconciled keeps what a night might have found.
func (c *portalWorld) reconciled(month models.Period) {
	c.t.Helper()
	const fifth = models.Money(deal / 5)
	twenty := models.Control{Entitled: models.Counted(1, -fifth), Posted: models.Counted(1, -fifth)}
	report, err := json.Marshal(models.ReconciliationReport{
		CheckedAt: time.Now().UTC(), Accounts: 2, Invoices: 1, Documents: 1, Wrong: 1, Lacking: models.Counted(1, fifth),
		Overall:  []models.ControlTotal{{TotalKey: models.TotalKey{Kind: "discounts", Currency: "RUB"}, Control: twenty}},
		Services: []models.ServiceTotal{{Service: "subscription", Currency: "RUB", Control: twenty}},
		Steps:    []models.StepCount{{Kind: models.Inviter, Step: 1, Percent: 20, Accounts: 1}, {Kind: models.Invitee, Percent: 20, Accounts: 5}},
		Causes:   []models.ChangeCause{{Cause: "new-inviter", Accounts: 1, Amount: -fifth}},
		Breaks:   []models.KeptBreak{{Kind: "not-answered", AccountID: inviter, InvoiceID: fmt.Sprintf("INV-%s-%d", month, inviter), Expected: -fifth}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.execute(fmt.Sprintf("INSERT INTO reconciliations (period, checked_at, breaks, report) VALUES (%d, now(), 1, '%s')", month, report))
}

// signedDigest is the digest that is kept with the only signed report.
func (c *portalWorld) signedDigest() string {
	c.t.Helper()
	return query[struct{ Digest string }](c.world, "SELECT encode(sha256, 'hex') AS digest FROM signed_reports")[0].Digest
}

// download is what a page offers as a file, as its browser would fetch it.
func (c *portalWorld) download(t *testing.T, p *browser.Page, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.site+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range p.Cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, answer.StatusCode, err)
	}
	return body
}
