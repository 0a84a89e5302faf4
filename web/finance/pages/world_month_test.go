package pages_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/models"
)

func (w *world) SomeMonths(ctx context.Context, periods ...models.Period) ([]models.MonthOverview, error) {
	all, err := w.Months(ctx)
	return slices.DeleteFunc(all, func(m models.MonthOverview) bool { return !slices.Contains(periods, m.Period) }), err
}

// LastReconciliation has 250 breaks in April, and of March no more than was owed.
func (w *world) LastReconciliation(_ context.Context, p models.Period, skip, limit int) (models.ReconciliationReport, bool, error) {
	twenty := models.CountedAmount{Count: 250, Amount: -250 * 142000}
	less := models.CountedAmount{Count: 249, Amount: -249 * 142000}
	discounts := models.TotalKey{Kind: "discounts", Currency: "RUB"}
	if p == 202603 && limit == 0 {
		return models.ReconciliationReport{Overall: []models.ControlTotal{{TotalKey: discounts, Control: models.Control{Entitled: models.CountedAmount{Count: 1, Amount: -30000000}}}}}, true, w.err
	}
	r := models.ReconciliationReport{
		CheckedAt: now(), Accounts: 300, Invoices: 280, Documents: 250, Packages: 7, Wrong: 250, Lacking: models.Counted(1, 142000),
		Overall: []models.ControlTotal{{TotalKey: discounts, Control: models.Control{Entitled: twenty, Posted: twenty, Published: twenty, Answered: less}}},
		Totals: []models.ControlTotal{
			{TotalKey: models.TotalKey{Kind: "inviter", Percent: 20, Currency: "RUB"}, Control: models.Control{Entitled: twenty, Posted: twenty, Published: twenty, Answered: less}},
			// A line of two percents counts under one of them, so the other has an amount alone.
			{TotalKey: models.TotalKey{Kind: "both", Percent: 60, Currency: "RUB"}, Control: models.Control{Entitled: models.CountedAmount{Amount: -46438}}},
			{TotalKey: models.TotalKey{Kind: "sms", Percent: 1200}, Control: models.Control{
				Entitled: models.CountedAmount{Count: 7}, Posted: models.CountedAmount{Count: 7}, Published: models.CountedAmount{Count: 7}, Answered: models.CountedAmount{Count: 7},
			}},
		},
		Services: []models.ServiceTotal{{Service: "subscription", Currency: "RUB", Control: models.Control{Entitled: twenty}}},
		Causes:   []models.ChangeCause{{Cause: billing.CauseNewInviter, Accounts: 40, Amount: -6000000}, {Cause: billing.CauseLadderEnded, Accounts: 3, Amount: 1000000}},
		Steps:    []models.StepCount{{Kind: models.Inviter, Step: 2, Percent: 40, Accounts: 12}, {Kind: models.Invitee, Percent: 20, Accounts: 120}},
		Kinds:    map[string]int64{string(billing.BreakUnanswered): 250},
	}
	for account := skip; account < min(250, skip+limit); account++ {
		r.Breaks = append(r.Breaks, models.KeptBreak{Kind: string(billing.BreakUnanswered), AccountID: int64(account + 1), InvoiceID: fmt.Sprint("INV-", account+1), Expected: -142000, Detail: payload})
	}
	return r, p == 202604, w.err
}

// signedMarch is the report under March.
func signedMarch(t testing.TB) models.SignedReport {
	t.Helper()
	thousand := models.Control{Posted: models.Counted(9, -142000)}
	canonical, err := monthreport.Of(monthreport.Basis{
		Signature: &models.Signature{
			Period: 202603, At: now(), Who: payload, Reason: "все сошлось", Override: "аудиторы ждут", Objections: []string{"earlier periods are open: 2026-02", "it does not tie: 2 breaks, see `referral reconcile 2026-03`"},
			ProposedBy: "Борис", ProposedAt: now(),
		},
		Found: &models.ReconciliationReport{
			CheckedAt: now(), Totals: []models.ControlTotal{{TotalKey: models.TotalKey{Kind: "inviter", Percent: 60, Currency: "RUB"}, Control: thousand}},
			Steps:  []models.StepCount{{Kind: models.Inviter, Step: 3, Percent: 60, Accounts: 12}},
			Breaks: []models.KeptBreak{{Kind: string(billing.BreakRejected), AccountID: 885, InvoiceID: "0012", Detail: "=1+1"}}, Wrong: 1,
		},
		Ledger: &models.Ledger{Register: models.Register{Documents: models.Counted(9, -142000)}}, Waiting: &models.Waiting{Stale: 4}, Program: "test",
	}).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return models.SignedReport{Signature: 7, Period: 202603, SHA256: sha256.Sum256(canonical), Canonical: canonical}
}

func (w *world) SignedReports(_ context.Context, p models.Period) ([]models.SignedReport, error) {
	if p != 202603 {
		return nil, w.err
	}
	older := signedMarch(&testing.T{})
	older.Signature = 6
	return []models.SignedReport{signedMarch(&testing.T{}), older}, w.err
}

func (w *world) Corrections(_ context.Context, p models.Period, after models.RegisterCursor, limit int) ([]models.RegisterEntry, error) {
	if p != 202603 || after.AccountID > 0 {
		return nil, w.err
	}
	return []models.RegisterEntry{{AccountID: 885, Name: payload, InvoiceID: "INV-CORRECTED", Sequence: 2, Period: 202603, PostingPeriod: 202605, Currency: "RUB", Amount: -7000, Reason: models.ReasonLateFact}}, w.err
}

// A month says what has changed against the month before, to the kopeck, and pages
// through everything that does not tie.
func TestMonthSaysWhatHasChanged(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	body := strings.ReplaceAll(r.Get(browser, "/finance/months/2026-04").Body, "\u00a0", " ")
	for _, want := range []string{
		"было −300 000,00 ₽, стало −355 000,00 ₽", "Новые приглашающие", "−60 000,00 ₽", "10 000,00 ₽", "Счета выросли, уменьшились или появились", "−5 000,00 ₽",
		"ступень 2", "120", "−464,38 ₽", `<rect class="bar" x="0" y="0" width="100"`, `<rect class="bar-back" x="0" y="0" width="16"`, "Положено, но не получено: 1 420,00", "subscription",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the month does not say %q: %s", want, body)
		}
	}
	named := map[string]bool{}
	for path := "/finance/months/2026-04"; path != ""; {
		body := r.Get(browser, path).Body
		for _, part := range strings.Split(body, `href="/finance/invoices/`)[1:] {
			invoice, _, _ := strings.Cut(part, `"`)
			named[invoice] = true
		}
		before, _, more := strings.Cut(body, `" rel="next">`)
		if path = ""; more {
			path = before[strings.LastIndex(before, `href="`)+len(`href="`):]
			path, _, _ = strings.Cut(path, "#")
		}
	}
	if len(named) != 250 {
		t.Errorf("the pages name %d of 250 breaks", len(named))
	}
	for _, path := range []string{"/finance/months/2026-04?breaks=x", "/finance/months/2026-04?breaks=-1", "/finance/months/2026-03?account=x"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// The signed report is shown and taken away as it was signed, in every form.
func TestSignedReport(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	kept := signedMarch(t)
	body := strings.ReplaceAll(r.Get(browser, "/finance/months/2026-03/report").Body, "\u00a0", " ")
	for _, want := range []string{
		hex.EncodeToString(kept.SHA256[:]), "Борис", "аудиторы ждут", "не подписаны прежние месяцы: 2026-02; не сходится, расхождений: 2", "−1 420,00 ₽", "Биллинг отклонил документ", "report?signature=6",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the report does not say %q: %s", want, body)
		}
	}
	if strings.Contains(body, payload) {
		t.Error("the report shows what was entered as markup")
	}
	const export = "/finance/months/2026-03/report/export?format="
	if got := r.Get(browser, export+"json"); sha256.Sum256([]byte(got.Body)) != kept.SHA256 {
		t.Errorf("the JSON is not what was signed: %s", got.Body)
	}
	if got := r.Get(browser, export+"html"); !strings.Contains(got.Body, "<style>") || strings.Contains(got.Body, "finance.css") || !strings.Contains(got.Header.Get("Content-Disposition"), "month-report-2026-03-7.html") {
		t.Errorf("as a file: %v %.300s", got.Header, got.Body)
	}
	reader := csv.NewReader(strings.NewReader(r.Get(browser, export+"csv").Body))
	reader.FieldsPerRecord = -1
	plain, err := reader.ReadAll()
	if err != nil || !slices.ContainsFunc(plain, func(row []string) bool {
		return row[0] == "По видам и процентам" && slices.Equal(row[1:4], []string{"inviter", "60", "RUB"}) && row[7] == "-1420.00"
	}) {
		t.Errorf("CSV: %v, %v", plain, err)
	}
	if excel := r.Get(browser, export+"csv-excel").Body; !strings.HasPrefix(excel, "\ufeffПодпись;") || !strings.Contains(excel, ";-1420,00;") || strings.Contains(excel, ";=1+1") {
		t.Errorf("CSV for Excel: %.900s", excel)
	}
	book, err := excelize.OpenReader(bytes.NewReader([]byte(r.Get(browser, export+"xlsx").Body)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	value, err := book.GetCellValue("По видам и процентам", "G2", excelize.Options{RawCellValue: true})
	formula, failed := book.GetCellFormula("По видам и процентам", "G3")
	if err != nil || failed != nil || value != "-1420" || formula != "SUM(G2:G2)" || len(book.GetSheetList()) != 11 {
		t.Errorf("XLSX: %q, %q of %v, %v, %v", value, formula, book.GetSheetList(), err, failed)
	}
	for _, path := range []string{export + "pdf", "/finance/months/2026-04/report", "/finance/months/2026-03/report?signature=9", "/finance/months/2026-03/report?signature=x", "/finance/months/x/report"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

func (w *world) ReopenPeriod(_ context.Context, p models.Period, by models.OperatorAction) error {
	if by.Reason == "рано" {
		return &models.NotReopened{Why: "later periods are closed: 2026-04"}
	}
	return w.record(by)
}

// A month is signed by two persons. What is not ready is named, and needs a reason that
// the second person sees; what stands against it is kept with the signature.
func TestSigningAMonth(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	finance, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	const path = "/finance/months/2026-04/sign"
	shown := strings.ReplaceAll(r.Get(controller, path).Body, "\u00a0", " ")
	for _, want := range []string{"Поздних данных нет", "3 клиента", "250 расхождений", "5 строк", "4 пакета", "1 запись", "Прежние месяцы подписаны"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the checks do not say %q: %s", want, shown)
		}
	}
	if n := strings.Count(shown, `<span class="state state-good">да</span>`); n != 5 || strings.Contains(shown, "Предложить подпись") {
		t.Errorf("%d checks are green, and a controller is offered to propose", n)
	}
	if got := r.Post(finance, path, url.Values{"reason": {"пора"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "вопреки этому") || !strings.Contains(got.Body, "пора") || len(w.made) != 0 {
		t.Errorf("without a reason to override: %d %s", got.Status, got.Body)
	}
	if got := r.Post(finance, path, url.Values{"override": {"аудиторы ждут"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Напишите причину") {
		t.Errorf("without a reason: %d", got.Status)
	}
	got := r.Post(finance, path, url.Values{"reason": {"пора"}, "override": {"аудиторы ждут"}})
	if got.URL.Path != "/finance/proposals/2" || !strings.Contains(got.Body, "Вопреки возражениям: аудиторы ждут") || strings.Contains(got.Body, "Утвердить и выполнить") || len(w.orders) != 0 {
		t.Fatalf("%d %s %s", got.Status, got.URL, got.Body)
	}
	w.posted = -5000000 // a run has posted since
	if got := r.Post(controller, "/finance/proposals/2/approve", nil); got.Status != http.StatusConflict || len(w.orders) != 0 ||
		!strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "стало документов 251, на сумму −405 000,00 ₽") {
		t.Errorf("another register than was proposed: %d, %+v %s", got.Status, w.orders, got.Body)
	}
	if got := r.Get(finance, "/finance/months/2026-04"); !strings.Contains(got.Body, "После этой сверки месяц рассчитывали") {
		t.Error("the month does not say that its totals are of before the run")
	}
	w.posted = 0
	got = r.Post(controller, "/finance/proposals/2/approve", nil)
	if got.URL.Path != path || got.Header.Get("Refresh") == "" || !strings.Contains(got.Body, "Месяц подписывается") || len(w.orders) != 1 || w.made[0].State != models.ProposalApproved {
		t.Fatalf("%d %s %s", got.Status, got.URL, got.Body)
	}
	o := &w.orders[0]
	want := []string{"parked accounts and invoices: 1", "lines of services that the terms do not name: 5", "packages of earlier months that no invoice has named: 4"}
	against := []string{
		"it does not tie:", "accounts to be settled again:", "rows of the older system that are not booked:", "parked accounts and invoices:",
		"lines of services that the terms do not name:", "packages of earlier months that no invoice has named:",
	}
	if s := o.Signing; o.What != models.OrderSign || o.Period != 202604 || s.ProposedBy != "Анна Котова" || s.ProposedAt.IsZero() || s.Reason != "пора" || s.Override != "аудиторы ждут" ||
		s.Role != models.RoleController || s.Register == nil || *s.Register != models.Counted(250, -35500000) || !slices.Equal(s.Objections, want) || !slices.Equal(s.Against, against) {
		t.Errorf("ordered %+v of %+v", s, o)
	}
	if got := r.Post(finance, path, url.Values{"reason": {"x"}, "override": {"x"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Месяц уже подписывается") || strings.Contains(got.Body, "Предложить подпись") {
		t.Errorf("while it is signed: %d %s", got.Status, got.Body)
	}
	o.State, o.Seen, o.Through, o.All = models.OrderWorking, now(), 1200, 3400
	if got := r.Get(finance, path); !strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "сверено клиентов — 1 200 из 3 400") {
		t.Errorf("under way: %s", got.Body)
	}
	o.State, o.Through, o.At = models.OrderWaiting, 0, now().Add(-3*time.Hour)
	if got := r.Get(finance, path); !strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "ждет уже 3 часа. Служба расчета его не берет: она не работает") {
		t.Errorf("nobody carries it out: %s", got.Body)
	}
	o.State, o.FinishedAt, o.Error, o.Signing.Refused = models.OrderFailed, now(), "not closed", []string{"accounts to be settled again: 3 (`referral run 2026-04`)", models.ErrPostedMeanwhile.Error()}
	failed := r.Get(finance, path)
	if !strings.Contains(failed.Body, "Подпись не состоялась: клиентов с поздними данными: 3; пока месяц сверяли, расчет провел в него документы.") || !strings.Contains(failed.Body, "Предложить подпись") || failed.Header.Get("Refresh") != "" {
		t.Errorf("failed: %s", failed.Body)
	}
	o.Signing.Refused, o.Error = nil, "the disk is full"
	if got := r.Get(finance, path); !strings.Contains(got.Body, "Подпись не состоялась: the disk is full.") {
		t.Errorf("failed: %s", got.Body)
	}
	const again = "/finance/acts/sign-again/2026-04"
	if got := r.Get(finance, again); !strings.Contains(got.Body, "the disk is full") || !strings.Contains(failed.Body, `href="`+again+`"`) || strings.Contains(r.Get(as(r, models.RoleAuditor), path).Body, again) {
		t.Errorf("%d, what is offered to sign again: %s", got.Status, got.Body)
	}
	if got := r.Post(finance, again, url.Values{"reason": {"место освободили"}}); got.URL.Path != path || w.orders[0].Signing.ApprovedAt.IsZero() || len(w.orders[0].Signing.Refused) > 0 {
		t.Errorf("signed again: %d %s %s", got.Status, got.URL, got.Body)
	}
	o = &w.orders[0]
	o.State = models.OrderFailed
	o.Signing.ApprovedAt = now().Add(-25 * time.Hour)
	if got := r.Get(finance, again); got.Status != http.StatusConflict || !strings.Contains(got.Body, "утверждение действует сутки") || strings.Contains(r.Get(finance, path).Body, again) {
		t.Errorf("by an old approval: %d %s", got.Status, got.Body)
	}
	o.State = models.OrderDone
	if got := r.Get(finance, path); strings.Contains(got.Body, "Подпись не состоялась") || !strings.Contains(r.Get(finance, "/finance/proposals/2").Body, `href="`+path+`"`) {
		t.Errorf("done: %s", got.Body)
	}
	if got := r.Post(finance, "/finance/months/2026-03/sign", url.Values{"reason": {"x"}, "override": {"x"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Месяц уже подписан") {
		t.Errorf("signed twice: %d", got.Status)
	}
}

// What is known to stand against signing is said in Russian, and the proposal stays open.
func TestSigningIsRefused(t *testing.T) {
	t.Parallel()
	w := &world{worldActs: worldActs{made: []models.Proposal{{
		ID: 2, What: models.ActionClose, Subject: "2026-04", Proposer: models.Person{Subject: "9", Name: "Борис"}, Reason: "x", State: models.ProposalOpen,
	}}}}
	r := site(t, w)
	// What was overridden is what stood against it then, and nothing that came since.
	for _, details := range []string{"", `{"why":"аудиторы ждут","red":["Для всех услуг есть правило","Пакеты прежних месяцев отправлены"]}`} {
		if details != "" {
			w.made[0].Details = []byte(details)
		}
		got := r.Post(as(r, models.RoleController), "/finance/proposals/2/approve", nil)
		if got.Status != http.StatusConflict || !strings.Contains(got.Body, "Подписать нельзя: не рассчитано клиентов и счетов: 1;") || len(w.recorded)+len(w.orders) != 0 || w.made[0].State != models.ProposalOpen {
			t.Errorf("overridden by %q: %d %s", details, got.Status, got.Body)
		}
	}
}

// A signature is taken back by two persons, too.
func TestReopeningAMonth(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	finance, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	if got := r.Get(finance, "/finance/months/2026-03/sign"); !strings.Contains(got.Body, "Отозвать подпись") || strings.Contains(got.Body, "Предложить подпись") {
		t.Errorf("a signed month: %s", got.Body)
	}
	if got := r.Post(finance, "/finance/months/2026-04/reopen", url.Values{"reason": {"x"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Месяц не подписан") {
		t.Errorf("a month that is not signed: %d", got.Status)
	}
	for i, reason := range []string{"рано", "счет пришел поздно"} {
		if got := r.Post(finance, "/finance/months/2026-03/reopen", url.Values{"reason": {reason}}); got.URL.Path != fmt.Sprint("/finance/proposals/", i+2) {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		got := r.Post(controller, fmt.Sprint("/finance/proposals/", i+2, "/approve"), nil)
		if refused := strings.Contains(got.Body, "подписаны более поздние месяцы: 2026-04"); refused != (i == 0) || len(w.recorded) != i {
			t.Errorf("%s: %d %s, recorded %+v", reason, got.Status, got.Body, w.recorded)
		}
		r.Post(finance, fmt.Sprint("/finance/proposals/", i+2, "/reject"), url.Values{"reason": {"x"}})
	}
}
