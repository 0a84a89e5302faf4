package pages_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"referral/billing"
	"referral/models"
	"referral/web/auth"
	"referral/web/auth/authtest"
	"referral/web/finance"
	"referral/web/finance/pages"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func now() time.Time { return time.Date(2026, 5, 3, 12, 0, 0, 0, moscow) }

// world is a storage of few things: two months, client 885 with an invoice, and 250
// documents of April.
type world struct {
	worldActs
	worldRuns
	worldInsight
	worldWhatIf
	worldJournal

	shadow  bool         // April was settled in shadow mode
	revoked bool         // client 885 has entered a code, and that referral is revoked
	posted  models.Money // for April since it was reconciled

	err  error
	late error // of reading the journal behind its first entry
}

const payload = `<script>alert("1")</script>`

func (w *world) Months(context.Context) ([]models.MonthOverview, error) {
	april := models.MonthOverview{
		PeriodInfo: models.PeriodInfo{Period: 202604, State: models.PeriodRun, StartedAt: now(), Stale: 3, Shadow: w.shadow}, Documents: models.CountedAmount{Count: 250, Amount: -250 * 142000},
		Packages: 7, LastRun: &models.Run{Period: 202604, State: models.RunIncomplete}, CheckedAt: now(), Breaks: 2, Parked: 1,
		Held: models.CountedAmount{Count: 5, Amount: 30000},
	}
	if w.posted != 0 {
		april.Documents = april.Documents.Add(models.Counted(1, w.posted))
		april.LastRun.FinishedAt = now().Add(time.Minute)
	}
	march := models.MonthOverview{
		PeriodInfo: models.PeriodInfo{Period: 202603, State: models.PeriodClosed, StartedAt: now()}, Documents: models.CountedAmount{Count: 9, Amount: -100},
		Away: models.CountedAmount{Count: 1, Amount: -10}, Signed: &models.SignedMonth{At: now(), Who: payload, Posted: -90},
	}
	return []models.MonthOverview{april, march}, w.err
}

func (w *world) FindAccounts(_ context.Context, text string, account int64, document models.UUID) ([]models.FoundAccount, error) {
	one := models.FoundAccount{AccountID: 885, Name: payload, TaxID: "7707083893", Code: "K7M2QX9PA"}
	switch {
	case account == 885:
		return []models.FoundAccount{one}, w.err
	case text == "INV-1" || document != models.UUID{}:
		one.InvoiceID = "INV-1"
		return []models.FoundAccount{one}, w.err
	case text == "окна":
		return []models.FoundAccount{one, {AccountID: 901, Name: "Новые окна"}}, w.err
	}
	return nil, w.err
}

func (w *world) AccountHistory(_ context.Context, account int64) (c models.AccountHistory, found bool, err error) {
	if account != 885 {
		return c, false, w.err
	}
	c.Account = models.Account{ID: 885, Code: "K7M2QX9PA", Profile: models.Profile{Name: payload, TaxID: "7707083893"}, RegisteredAt: now().AddDate(-1, 0, 0)}
	c.Account.Provenance.Registered = models.Provenance{Origin: models.Origin{Topic: "pbx.registered", Partition: 2, Offset: 71}, At: now()}
	for i, on := range []time.Time{now().AddDate(0, -3, 0), now().AddDate(0, -2, 0), now().AddDate(0, 0, -13)} {
		c.Referrals = append(c.Referrals, models.Referral{InviterID: 885, InviteeID: int64(900 + i), ActivatedAt: on})
	}
	c.Activations = []*models.Activation{{AccountID: 885, Code: "X", RequestedAt: now(), Status: models.ActivationRefused, Reason: models.UnknownCode}}
	if w.revoked {
		c.Activations = append(c.Activations, &models.Activation{
			AccountID: 885, Code: "Y", RequestedAt: now(), Status: models.ActivationAccepted, InviterID: 700, RevokedFrom: models.FromTheStart,
		})
	}
	c.Invoices = []models.AuditInvoice{{Invoice: models.Invoice{AccountID: 885, ID: "INV-1", Period: 202604, Revision: 1, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: models.Period(202604).First(), To: models.Period(202604).End(), Amount: 300000},
	}}}}
	return c, true, w.err
}

func (w *world) InvoiceOwner(_ context.Context, invoice string) (int64, bool, error) {
	return 885, invoice == "INV-1", w.err
}

func (w *world) Register(_ context.Context, f models.RegisterFilter, limit int) (page []models.RegisterEntry, err error) {
	for account := f.After.AccountID + 1; f.Posted == 202604 && account <= 250 && len(page) < limit; account++ {
		if f.AccountID == 0 || f.AccountID == account {
			page = append(page, models.RegisterEntry{
				AccountID: account, Name: "ООО «Клиент»", TaxID: "0012345678", InvoiceID: fmt.Sprint("INV-", account), Sequence: 1, Period: 202604, PostingPeriod: 202604,
				Currency: "RUB", Amount: -142000, Reason: models.ReasonRun, PostedAt: now(), Published: true,
			})
		}
	}
	return page, w.err
}

func (w *world) RegisterTotals(ctx context.Context, f models.RegisterFilter) ([]models.CurrencyTotal, error) {
	f.After = models.RegisterCursor{}
	page, err := w.Register(ctx, f, 1000)
	return []models.CurrencyTotal{{Currency: "RUB", CountedAmount: models.Counted(int64(len(page)), models.Money(len(page))*-142000)}}, err
}

func (w *world) EachRegisterEntry(ctx context.Context, f models.RegisterFilter, see func(*models.RegisterEntry) error) error {
	page, err := w.Register(ctx, f, 1000)
	if err != nil {
		return err
	}
	for i := range page {
		if err := see(&page[i]); err != nil {
			return err
		}
	}
	return err
}

func (w *world) Rejected(context.Context, int) ([]models.RejectedDocument, error) {
	return []models.RejectedDocument{{AccountID: 885, InvoiceID: "INV-1", Period: 202604, Amount: -142000, RejectedAt: now(), Reason: payload}}, w.err
}

func (w *world) ParkedNow(context.Context, int) ([]models.ParkedAccount, error) {
	return []models.ParkedAccount{{AccountID: 885, Period: 202604, Error: "the sum is absurd", Since: now().AddDate(0, 0, -3)}}, w.err
}

func (w *world) HeldServices(context.Context) (map[string]models.CountedAmount, error) {
	return map[string]models.CountedAmount{"hologram": {Count: 5, Amount: 30000}}, w.err
}

func (w *world) ListDeadLetters(context.Context, models.DeadLetterFilter, int64, int) ([]models.DeadLetterRecord, error) {
	return []models.DeadLetterRecord{{DeadLetter: models.DeadLetter{ID: 12, At: now(), Err: models.InputError{Reason: models.BadField, Detail: payload}}}}, w.err
}

func (w *world) Journal(_ context.Context, before int64, limit int) (page []models.JournalEntry, err error) {
	if before == 0 {
		before = 151
	} else if w.late != nil {
		return nil, w.late
	}
	for entry := before - 1; entry > 0 && len(page) < limit; entry-- {
		page = append(page, models.JournalEntry{Entry: entry, OperatorAction: models.OperatorAction{
			At: now(), Who: payload, Role: "finance, controller", What: models.ActionClose, Subject: "2026-04", Reason: "все сошлось",
		}})
	}
	return page, w.err
}

func (w *world) PendingPackages(context.Context, models.Date) (map[models.Period]int64, error) {
	return map[models.Period]int64{202602: 4}, w.err
}

// site is the staff pages behind a sign-in, and who may be signed in: person 1 has the
// first role of models.Roles, and so on; person 5 prepares and approves.
func site(t *testing.T, w *world) *authtest.Rig { return siteIn(t, w, false) }

// siteIn is the site of a process in shadow mode, or not.
func siteIn(t *testing.T, w *world, shadow bool) *authtest.Rig {
	t.Helper()
	programme, err := billing.NewProgramme(moscow, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}, {Percent: 40, Months: 6}, {Percent: 60, Months: 12, SMS: 1200}}, Discounted: []string{"subscription"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	service, err := finance.New(finance.Options{Store: w, Programme: programme, Now: now, Replay: w.replay})
	if err != nil {
		t.Fatal(err)
	}
	front, err := pages.New(pages.Options{Service: service, Now: now, Zone: moscow, Portal: clientPages{w}, Shadow: shadow})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]models.Role{}
	for _, role := range models.Roles {
		values[string(role)] = role
	}
	r := authtest.New(t, authtest.Options{
		Page: front.ErrorPage, Staff: &auth.StaffClaims{Roles: "roles", Name: "name", Values: values},
		Claims: func(number int64) map[string]any {
			roles := []models.Role{models.RoleFinance, models.RoleController} // of person 5
			if int(number) <= len(models.Roles) {
				roles = models.Roles[number-1 : number]
			}
			return map[string]any{"name": "Анна Котова", "roles": roles}
		},
	})
	r.Serve(front.Routes())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.Log)
		}
	})
	return r
}

func as(r *authtest.Rig, role models.Role) *http.Client {
	browser := r.Browser()
	r.SignIn(browser, int64(slices.Index(models.Roles, role)+1), "")
	return browser
}

// access is who may use which route. A route that is not here fails the test.
var access = map[string]struct {
	path  string
	roles []models.Role
}{
	"GET /finance":                                    {"/finance", models.Roles},
	"GET /finance/months":                             {"/finance/months", money},
	"GET /finance/months/export":                      {"/finance/months/export?format=csv", money},
	"GET /finance/months/{period}/export":             {"/finance/months/2026-04/export?format=csv", money},
	"GET /finance/months/{period}/run/export":         {"/finance/months/2026-04/run/export?format=csv", money},
	"GET /finance/invoices/{invoice}/export":          {"/finance/invoices/INV-1/export?format=csv", models.Roles},
	"GET /finance/months/{period}/breaks/export":      {"/finance/months/2026-04/breaks/export?format=csv", money},
	"GET /finance/journal/export":                     {"/finance/journal/export?format=csv", money},
	"GET /finance/months/{period}":                    {"/finance/months/2026-04", money},
	"GET /finance/months/{period}/report":             {"/finance/months/2026-03/report", money},
	"GET /finance/months/{period}/report/export":      {"/finance/months/2026-03/report/export?format=csv", money},
	"GET /finance/months/{period}/sign":               {"/finance/months/2026-04/sign", money},
	"POST /finance/months/{period}/sign":              {"/finance/months/2026-04/sign", acting},
	"POST /finance/months/{period}/reopen":            {"/finance/months/2026-03/reopen", acting},
	"GET /finance/months/{period}/run":                {"/finance/months/2026-04/run", money},
	"POST /finance/months/{period}/run":               {"/finance/months/2026-04/run", acting},
	"POST /finance/months/{period}/run/accept":        {"/finance/months/2026-04/run/accept", acting},
	"GET /finance/rehearsals/{order}":                 {"/finance/rehearsals/7", money},
	"GET /finance/rehearsals/{order}/export":          {"/finance/rehearsals/7/export?format=csv", money},
	"GET /finance/clients":                            {"/finance/clients?q=885", models.Roles},
	"GET /finance/clients/{account}":                  {"/finance/clients/885", models.Roles},
	"GET /finance/clients/{account}/portal":           {"/finance/clients/885/portal", models.Roles},
	"GET /finance/clients/{account}/portal/{page...}": {"/finance/clients/885/portal/history", models.Roles},
	"GET /finance/invoices/{invoice}":                 {"/finance/invoices/INV-1", models.Roles},
	"GET /finance/register":                           {"/finance/register", money},
	"GET /finance/register/{period}/export":           {"/finance/register/2026-04/export?format=csv", money},
	"GET /finance/queue":                              {"/finance/queue", money},
	"GET /finance/journal":                            {"/finance/journal", money},
	"POST /finance/journal/check":                     {"/finance/journal/check", money},

	"GET /finance/acts/resend/{subject}":                 {"/finance/acts/resend/" + rejectedDocument, acting},
	"POST /finance/acts/resend/{subject}":                {"/finance/acts/resend/" + rejectedDocument, acting},
	"GET /finance/acts/write-off/{subject}":              {"/finance/acts/write-off/" + rejectedDocument, acting},
	"POST /finance/acts/write-off/{subject}":             {"/finance/acts/write-off/" + rejectedDocument, acting},
	"GET /finance/acts/dead-letter-replay/{subject}":     {"/finance/acts/dead-letter-replay/dead-letter%2012", acting},
	"POST /finance/acts/dead-letter-replay/{subject}":    {"/finance/acts/dead-letter-replay/dead-letter%2012", acting},
	"GET /finance/acts/dead-letter-correct/{subject}":    {"/finance/acts/dead-letter-correct/dead-letter%2012", acting},
	"POST /finance/acts/dead-letter-correct/{subject}":   {"/finance/acts/dead-letter-correct/dead-letter%2012", acting},
	"GET /finance/acts/dead-letter-discard/{subject}":    {"/finance/acts/dead-letter-discard/dead-letter%2012", acting},
	"POST /finance/acts/dead-letter-discard/{subject}":   {"/finance/acts/dead-letter-discard/dead-letter%2012", acting},
	"GET /finance/clients/{account}/revoke":              {"/finance/clients/901/revoke", acting},
	"GET /finance/clients/{account}/accept-code":         {"/finance/clients/885/accept-code?code=QQQQQQQQQ", promising},
	"GET /finance/acts/sign-again/{subject}":             {"/finance/acts/sign-again/2026-04", []models.Role{models.RoleFinance, models.RoleController}},
	"POST /finance/acts/sign-again/{subject}":            {"/finance/acts/sign-again/2026-04", []models.Role{models.RoleFinance, models.RoleController}},
	"GET /finance/acts/classify-service/{subject}":       {"/finance/acts/classify-service/discounted%20hologram", acting},
	"POST /finance/acts/classify-service/{subject}":      {"/finance/acts/classify-service/discounted%20hologram", acting},
	"GET /finance/acts/undo-service-decision/{subject}":  {"/finance/acts/undo-service-decision/decision%2007000000-0000-0000-0000-000000000000", acting},
	"POST /finance/acts/undo-service-decision/{subject}": {"/finance/acts/undo-service-decision/decision%2007000000-0000-0000-0000-000000000000", acting},
	"GET /finance/acts/revoke/{subject}":                 {"/finance/acts/revoke/901%20from%20the%20start", acting},
	"POST /finance/acts/revoke/{subject}":                {"/finance/acts/revoke/901%20from%20the%20start", acting},
	"GET /finance/acts/accept-code/{subject}":            {"/finance/acts/accept-code/901%20K7M2QX9PA%20at%202026-04-01T09:00:00Z", promising},
	"GET /finance/acts/erase/{subject}":                  {"/finance/acts/erase/885", promising},
	"POST /finance/acts/accept-code/{subject}":           {"/finance/acts/accept-code/901%20K7M2QX9PA%20at%202026-04-01T09:00:00Z", promising},
	"POST /finance/acts/erase/{subject}":                 {"/finance/acts/erase/885", promising},
	"GET /finance/acts/undo/{subject}":                   {"/finance/acts/undo/901%20decision%20" + rejectedDocument, acting},
	"POST /finance/acts/undo/{subject}":                  {"/finance/acts/undo/901%20decision%20" + rejectedDocument, acting},
	"GET /finance/queue/export":                          {"/finance/queue/export?format=csv", money},
	"GET /finance/proposals/export":                      {"/finance/proposals/export?format=json", models.Roles},
	"GET /finance/clients/export":                        {"/finance/clients/export?q=885&format=csv-excel", models.Roles},
	"GET /finance/clients/{account}/export":              {"/finance/clients/885/export?format=xlsx", models.Roles},
	"POST /finance/clients/{account}/personal-data":      {"/finance/clients/885/personal-data?format=html", promising},
	"GET /finance/register/{period}/1c":                  {"/finance/register/2026-04/1c", money},
	"GET /finance/suspicions":                            {"/finance/suspicions", money},
	"POST /finance/suspicions/{fingerprint}/seen":        {"/finance/suspicions/ab00000000000000000000000000000000000000000000000000000000000000/seen", []models.Role{models.RoleFinance, models.RoleController}},
	"GET /finance/simulate":                              {"/finance/simulate", money},
	"POST /finance/simulate":                             {"/finance/simulate", []models.Role{models.RoleFinance, models.RoleController}},
	"GET /finance/simulate/{order}":                      {"/finance/simulate/5", money},
	"GET /finance/simulate/{order}/export":               {"/finance/simulate/5/export?format=csv", money},
	"GET /finance/suspicions/export":                     {"/finance/suspicions/export?format=csv", money},
	"GET /finance/liabilities/export":                    {"/finance/liabilities/export?format=csv", money},
	"GET /finance/liabilities":                           {"/finance/liabilities", money},
	"GET /finance/proposals":                             {"/finance/proposals", models.Roles},
	"GET /finance/proposals/{proposal}":                  {"/finance/proposals/1", models.Roles},
	"POST /finance/proposals/{proposal}/approve":         {"/finance/proposals/1/approve", []models.Role{models.RoleController}},
	"POST /finance/proposals/{proposal}/reject":          {"/finance/proposals/1/reject", []models.Role{models.RoleSupport, models.RoleFinance, models.RoleController}},
}

// who may promise a client that a code is accepted.
var promising = []models.Role{models.RoleSupport, models.RoleFinance}

// who may act, unless a second person has to decide.
var acting = []models.Role{models.RoleFinance}

var money = []models.Role{models.RoleFinance, models.RoleController, models.RoleAuditor}

// Every route is tried as every role, and as nobody.
func TestRoutesByRole(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	service, err := finance.New(finance.Options{Store: &world{}, Programme: &billing.Programme{}, Now: now, Replay: (&world{}).replay})
	if err != nil {
		t.Fatal(err)
	}
	all, err := pages.New(pages.Options{Service: service, Now: now, Zone: moscow, Portal: clientPages{&world{}}})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, route := range all.Routes() {
		if route.Access == auth.Anyone {
			if !strings.HasSuffix(route.Pattern, ".css") && !strings.HasSuffix(route.Pattern, "-assets/{name}") {
				t.Errorf("%s is open to anyone", route.Pattern)
			}
			continue
		}
		rule, ok := access[route.Pattern]
		if !ok {
			t.Errorf("%s has no rule in this test", route.Pattern)
			continue
		}
		tried++
		for _, role := range models.Roles {
			// What is allowed may be refused for what it asks; a form without a reason is.
			allowed := slices.Contains(rule.roles, role)
			got := request(r, as(r, role), route.Pattern, rule.path)
			if forbidden := got.Status == http.StatusForbidden && strings.Contains(got.Body, "Недостаточно прав"); forbidden == allowed || allowed && got.Status != http.StatusOK && got.Status != http.StatusConflict {
				t.Errorf("%s at %s: %d, allowed: %v", role, route.Pattern, got.Status, allowed)
			}
		}
		if got := request(r, r.Browser(), route.Pattern, rule.path); !strings.HasPrefix(got.URL.String(), r.Provider.Issuer()) && !strings.Contains(got.Body, "Вы вышли") && !strings.Contains(got.Body, "Войдите") {
			t.Errorf("nobody at %s: %d %s %s", route.Pattern, got.Status, got.URL, got.Body)
		}
	}
	if tried != len(access) {
		t.Errorf("%d routes were tried, the test knows %d", tried, len(access))
	}
}

// request uses a route by its method.
func request(r *authtest.Rig, browser *http.Client, pattern, path string) *authtest.Answer {
	if strings.HasPrefix(pattern, "POST ") {
		return r.Post(browser, path, url.Values{"text": {"{}"}})
	}
	return r.Get(browser, path)
}

// Each page says what the storage holds, and nothing of it as markup.
func TestPagesShowWhatIsThere(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleController)
	for path, wants := range map[string][]string{
		"/finance": {"Апрель 2026", "Пакеты SMS ждут", "февраль 2026", "Рассчитан не полностью", "−355 000,00 ₽", "Расхождений: 2", "поздние данные у 3 клиентов", "не рассчитано: 1 запись", "5 строк на 300,00 ₽",
			"Март 2026", "Закрыт", "−0,90 ₽", "−0,10 ₽", "Сверка", "Не проводилась"},
		"/finance/months/2026-04": {"Апрель 2026", "За приведенных клиентов", "20%", "−355 000,00 ₽", "−353 580,00 ₽", "расходится", "1200 SMS", "сходится", "Биллинг не ответил",
			"узнать в биллинге", "Всего 250, показаны с 1 по 100", "INV-1", "Месяцем раньше", "−1,00 ₽"},
		"/finance/months/2026-03":  {"Март 2026", "Сверки этого месяца еще не было", "Подписано", "После подписания", "INV-CORRECTED", "Май 2026", "Подписанный отчет"},
		"/finance/clients/885":     {"60% по", "K7M2QX9PA", "pbx.registered, раздел 2, № 71", "такого кода нет", "INV-1", "Отклонен"},
		"/finance/invoices/INV-1":  {"3 000,00 ₽", "3 000,00 ₽ × 1 420 ÷ 3 000 = 1 420,00 ₽", "Почему столько", "Документов по этому счету нет", "Будет проведено"},
		"/finance/register":        {"250", "−355 000,00 ₽", "ООО «Клиент»", "Передан, ответа нет", "Дальше"},
		"/finance/queue":           {"INV-1", "the sum is absurd", "ждет 3 дня", "hologram", "Февраль 2026", "неверное значение поля"},
		"/finance/clients?q=окна":  {"Новые окна", "7707083893"},
		"/finance/clients?q=никто": {"Ничего не найдено"},
	} {
		got := r.Get(browser, strings.ReplaceAll(path, "окна", "%D0%BE%D0%BA%D0%BD%D0%B0"))
		body := strings.ReplaceAll(got.Body, "\u00a0", " ")
		for _, want := range wants {
			if got.Status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, and not %q in %s", path, got.Status, want, body)
			}
		}
		if strings.Contains(body, payload) {
			t.Errorf("%s shows what was entered as markup", path)
		}
	}
}

// What is found once is opened; what is not there is not found.
func TestSearchOpensWhatItFindsOnce(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleSupport)
	for path, want := range map[string]string{
		"/finance/clients?q=885":                                  "/finance/clients/885",
		"/finance/clients?q=INV-1":                                "/finance/invoices/INV-1",
		"/finance/clients?q=01a0f4c2-c400-8978-9e3d-d9083b9dc141": "/finance/invoices/INV-1",
	} {
		if got := r.Get(browser, path); got.Status != http.StatusOK || got.URL.Path != want {
			t.Errorf("%s leads to %s (%d), want %s", path, got.URL.Path, got.Status, want)
		}
	}
	for _, path := range []string{"/finance/months/2026-05", "/finance/months/x"} {
		if got := r.Get(as(r, models.RoleFinance), path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	for _, path := range []string{"/finance/clients/902", "/finance/clients/x", "/finance/invoices/INV-9"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// The pages of the register and each of its exports hold every document once, and the
// same sum.
func TestRegisterAndItsExportsAgree(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleFinance)
	shown, path := 0, "/finance/register?period=2026-04"
	for path != "" {
		body := r.Get(browser, path).Body
		shown += strings.Count(body, "<th scope=\"row\">")
		_, rest, more := strings.Cut(body, `" rel="next">`)
		path = ""
		if more {
			before := body[:len(body)-len(rest)-len(`" rel="next">`)]
			path = strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+len(`href="`):], "&amp;", "&")
		}
	}
	if shown != 250 {
		t.Errorf("the pages show %d documents", shown)
	}
	plain, err := csv.NewReader(strings.NewReader(r.Get(browser, "/finance/register/2026-04/export?format=csv").Body)).ReadAll()
	if err != nil || len(plain) != 251 || plain[1][10] != "-1420.00" || plain[1][2] != "0012345678" || plain[1][8] != "run" {
		t.Errorf("CSV: %d records, %v, %v", len(plain), plain[min(1, len(plain))], err)
	}
	excel := r.Get(browser, "/finance/register/2026-04/export?format=csv-excel").Body
	if !strings.HasPrefix(excel, "\ufeffКлиент;") || !strings.Contains(excel, `;"=""0012345678""";`) || strings.Count(excel, ";-1420,00;") != 250 {
		t.Errorf("CSV for Excel: %.600s", excel)
	}
	book, err := excelize.OpenReader(bytes.NewReader([]byte(r.Get(browser, "/finance/register/2026-04/export?format=xlsx").Body)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	sheet := book.GetSheetName(0)
	formula, err := book.GetCellFormula(sheet, "K252")
	value, failed := book.GetCellValue(sheet, "C2", excelize.Options{RawCellValue: true})
	sum, wrong := book.CalcCellValue(sheet, "K252", excelize.Options{RawCellValue: true})
	if err != nil || failed != nil || wrong != nil || formula != "SUM(K2:K251)" || value != "0012345678" || sum != "-355000" {
		t.Errorf("XLSX: %q = %q, tax id %q, %v, %v, %v", formula, sum, value, err, failed, wrong)
	}
	oneC := r.Get(browser, "/finance/register/2026-04/1c?client=17")
	if !strings.Contains(oneC.Body, `<Итог Документов="1" Валюта="RUB">-1420.00</Итог>`) || !strings.Contains(oneC.Header.Get("Content-Disposition"), "register-2026-04.xml") {
		t.Errorf("the exchange file: %v %s", oneC.Header, oneC.Body)
	}
	narrow := r.Get(browser, "/finance/register?period=2026-04&client=17&from=-1+420%2C00&answer=none&reason=run")
	one, err := csv.NewReader(strings.NewReader(r.Get(browser, "/finance/register/2026-04/export?format=csv&client=17").Body)).ReadAll()
	if body := strings.ReplaceAll(narrow.Body, "\u00a0", " "); strings.Count(body, "<th scope=\"row\">") != 1 || !strings.Contains(body, "<dd>−1 420,00 ₽</dd>") ||
		!strings.Contains(body, `value="-1 420,00"`) || !strings.Contains(body, "client=17&amp;format=csv&amp;from=-1&#43;420%2C00&amp;reason=run") || err != nil || len(one) != 2 {
		t.Errorf("one client: %d records exported, %v, %s", len(one), err, body)
	}
	for _, path := range []string{"/finance/register?answer=maybe", "/finance/register/2026-13/1c", "/finance/register/2026-04/1c?client=x", "/finance/register?from=much", "/finance/register/2026-04/export?format=csv&client=x", "/finance/register/2026-04/export?format=pdf", "/finance/register/2026-13/export?format=csv", "/finance/register?period=2020-01", "/finance/register?account=x"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// The journal shows every entry, page by page, and says so when it was tampered with.
func TestJournalPages(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleAuditor)
	first, second := r.Get(browser, "/finance/journal").Body, r.Get(browser, "/finance/journal?before=51").Body
	if n, m := strings.Count(first, "подписал месяц"), strings.Count(second, "подписал месяц"); n != 100 || m != 50 {
		t.Errorf("the pages show %d and %d entries", n, m)
	}
	if !strings.Contains(first, "before=51") || strings.Contains(second, "rel=\"next\"") || !strings.Contains(first, "финансы, контролер") || !strings.Contains(first, "Записи целы") {
		t.Errorf("the first page is %s", first)
	}
	if !strings.Contains(first, "ночная проверка") {
		t.Errorf("who has verified it: %s", first)
	}
	w.checked = []models.JournalFault{{Kind: models.JournalMissing, From: 3, To: 3}}
	if got := r.Post(browser, "/finance/journal/check", nil).Body; !strings.Contains(got, "Весь журнал проверен.") || !strings.Contains(got, "03.05.2026\u00a012:00, Анна Котова") ||
		!strings.Contains(got, "Журнал изменен в обход службы") || !strings.Contains(got, "Записи № 3 нет.") || strings.Contains(got, "Записи целы") {
		t.Errorf("a journal that lacks an entry: %s", got)
	}
	if len(w.acts) != 1 || w.acts[0].What != models.ActionCheckJournal || w.acts[0].Role != models.RoleAuditor || w.acts[0].Subject != "150" {
		t.Errorf("recorded is %+v", w.acts)
	}
	w.checked, w.added = nil, []models.JournalFault{{Kind: models.JournalAltered, From: 151, To: 151, At: now(), Who: payload, What: models.ActionClose, Subject: "2026-04"}}
	r.Post(browser, "/finance/journal/check", nil)
	if got := r.Get(browser, "/finance/journal").Body; !strings.Contains(got, "Запись № 151 (03.05.2026") || strings.Contains(got, "Записи целы") || strings.Contains(got, payload) {
		t.Errorf("an entry that was altered since: %s", got)
	}
	if got := r.Get(browser, "/finance/journal?before=x"); got.Status != http.StatusNotFound {
		t.Errorf("%d", got.Status)
	}
}

// A database that is away is named, on every page; the export does not pretend to be
// whole.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleFinance)
	w.err = errors.New("no connection")
	for pattern, rule := range access {
		if strings.HasSuffix(pattern, "/export") || strings.HasSuffix(pattern, "/1c") || strings.HasPrefix(pattern, "POST ") {
			continue
		}
		if got := r.Get(browser, rule.path); got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, "База данных не отвечает") {
			t.Errorf("%s: %d %s", rule.path, got.Status, got.Body)
		}
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/finance/register/2026-04/export?format=csv", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := browser.Do(q); err == nil {
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode == http.StatusOK {
			t.Error("an export without the database ends as if it were whole")
		}
	}
}

// exportFormats is the formats of a list, as the addresses name them.
var exportFormats = []string{"xlsx", "csv", "csv-excel", "json"}

// The exports of a list hold all of it, not a page, and the amounts of its page.
func TestExportsOfLists(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	for page, list := range map[string]struct {
		path   string
		rows   int
		amount string // key of an amount
		sum    int64  // of all rows
		shown  string // of the amounts, on the page
	}{
		"/finance/months":         {"/finance/months/export", 2, "posted_minor", -250*142000 - 100, "−355 000,00"},
		"/finance/months/2026-04": {"/finance/months/2026-04/breaks/export", 250, "expected_minor", -250 * 142000, "−1 420,00"},
		"/finance/journal":        {"/finance/journal/export", 150, "", 0, "все сошлось"},
	} {
		body := strings.ReplaceAll(r.Get(browser, page).Body, "\u00a0", " ")
		if !strings.Contains(body, list.shown) {
			t.Errorf("%s: not %q", page, list.shown)
		}
		for _, format := range exportFormats {
			if !strings.Contains(body, fmt.Sprintf(`href="%s?format=%s"`, list.path, format)) {
				t.Errorf("%s: no link to %s", page, format)
			}
		}
		var objects []map[string]any
		text := r.Get(browser, list.path+"?format=json").Body
		if err := json.Unmarshal([]byte(text), &objects); err != nil || len(objects) != list.rows {
			t.Fatalf("%s: %d objects, %v in %.300s", list.path, len(objects), err, text)
		}
		var sum int64
		for _, object := range objects {
			if list.amount != "" {
				sum += int64(object[list.amount].(float64))
			}
		}
		if sum != list.sum {
			t.Errorf("%s: the sum is %d, want %d", list.path, sum, list.sum)
		}
		plain, err := csv.NewReader(strings.NewReader(r.Get(browser, list.path+"?format=csv").Body)).ReadAll()
		if err != nil || len(plain) != list.rows+1 || len(plain[0]) != len(objects[0]) {
			t.Errorf("%s: %d records, %v", list.path, len(plain), err)
		}
		if got := r.Get(browser, list.path+"?format=pdf"); got.Status != http.StatusNotFound {
			t.Errorf("%s as PDF: %d", list.path, got.Status)
		}
	}
	if got := r.Get(browser, "/finance/months/2020-01/breaks/export?format=json"); got.Status != http.StatusNotFound {
		t.Errorf("breaks of an unknown month: %d", got.Status)
	}
	if journal := r.Get(browser, "/finance/journal/export?format=csv-excel").Body; strings.Count(journal, ";финансы, контролер;") != 150 {
		t.Errorf("roles are not in words: %.300s", journal)
	}
}

// pageOf is the page that leads to an export, where that is not the address before it.
var pageOf = map[string]string{
	"GET /finance/months/{period}/breaks/export": "/finance/months/2026-04", "GET /finance/register/{period}/export": "/finance/register?period=2026-04",
	"GET /finance/clients/export": "/finance/clients?q=%D0%BE%D0%BA%D0%BD%D0%B0",
}

// Every list and report is exported in every format, its page leads to each, and the JSON
// is what the CSV is: the same rows, and the same amounts.
func TestEveryExportInEveryFormat(t *testing.T) {
	t.Parallel()
	w := &world{}
	w.runs = []models.Run{{ID: 3, State: models.RunDone, Totals: models.Totals{Documents: 250, Amount: -35500000}}}
	r := site(t, w)
	browser := as(r, models.RoleAuditor)
	for pattern, rule := range access {
		if !strings.HasSuffix(pattern, "/export") {
			continue
		}
		path, _, _ := strings.Cut(rule.path, "format=")
		address, _, _ := strings.Cut(path, "?")
		page := cmp.Or(pageOf[pattern], strings.TrimSuffix(address, "/export"))
		body := r.Get(browser, page).Body
		answers := map[string]string{}
		for _, format := range exportFormats {
			if !regexp.MustCompile(`href="` + regexp.QuoteMeta(address) + `\?([^"]*&amp;)?format=` + format + `["&]`).MatchString(body) {
				t.Errorf("%s has no link to %s as %s", page, address, format)
			}
			got := r.Get(browser, path+"format="+format)
			if _, named, err := mime.ParseMediaType(got.Header.Get("Content-Disposition")); got.Status != http.StatusOK || err != nil || named["filename"] == "" {
				t.Errorf("%s as %s: %d %v", path, format, got.Status, got.Header)
			}
			answers[format] = got.Body
		}
		if strings.HasSuffix(pattern, "/report/export") {
			continue // a signed report is JSON in its canonical form
		}
		reader := csv.NewReader(strings.NewReader(answers["csv"]))
		reader.FieldsPerRecord = -1
		records, err := reader.ReadAll()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		lists := listsOf(t, answers["json"])
		rows, sum := 0, int64(0)
		for _, list := range lists {
			for _, object := range list {
				rows++
				for key, value := range object {
					if amount, ok := value.(float64); ok && strings.HasSuffix(key, "_minor") {
						sum += int64(amount)
					}
				}
			}
		}
		if rows == 0 || rows != len(records)-len(lists) || sum != amountsIn(records) {
			t.Errorf("%s: %d rows of %d as JSON, %d records as CSV of as many lists and heads; the amounts of the CSV are %d", path, rows, sum, len(records), amountsIn(records))
		}
	}
}

// listsOf is the lists of an export as JSON: one, or several by name.
func listsOf(t *testing.T, text string) map[string][]map[string]any {
	t.Helper()
	lists := map[string][]map[string]any{}
	into := any(&lists)
	if strings.HasPrefix(text, "[") {
		var list []map[string]any
		into = &list
		defer func() { lists[""] = list }()
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Errorf("%v in %.300s", err, text)
	}
	return lists
}

var decimals = regexp.MustCompile(`^-?\d+\.\d\d$`)

// amountsIn is the sum of all amounts of a CSV file, in kopecks.
func amountsIn(records [][]string) (sum int64) {
	for _, record := range records {
		for _, cell := range record {
			if !decimals.MatchString(cell) {
				continue
			}
			kopecks, err := strconv.ParseInt(strings.Replace(cell, ".", "", 1), 10, 64)
			if err == nil {
				sum += kopecks
			}
		}
	}
	return sum
}

// The queue and a client as JSON are what their pages show.
func TestQueueAndClientAsJSON(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleFinance)
	queue, client := listsOf(t, r.Get(browser, "/finance/queue/export?format=json").Body), listsOf(t, r.Get(browser, "/finance/clients/885/export?format=json").Body)
	if got := queue["rejected"][0]; got["account_id"] != 885.0 || got["amount_minor"] != -142000.0 || got["period"] != "2026-04" || got["reason"] != payload {
		t.Errorf("rejected: %v", got)
	}
	if parked, held := queue["parked"][0], queue["held"][0]; parked["parked_at"] != "2026-04-30T12:00:00+03:00" || parked["error"] != "the sum is absurd" || held["service"] != "hologram" || held["amount_minor"] != 30000.0 {
		t.Errorf("parked: %v, held: %v", parked, held)
	}
	if packages, letters := queue["packages"][0], queue["dead_letters"][0]; packages["period"] != "2026-02" || packages["packages"] != 4.0 || letters["id"] != 12.0 || letters["reason"] != string(models.BadField) {
		t.Errorf("packages: %v, dead letters: %v", packages, letters)
	}
	if not := queue["not_booked"]; len(not) != 3 || not[0]["amount_minor"] != -100000.0 || not[0]["account_id"] != nil || not[1]["account_id"] != 901.0 || not[1]["reason"] != string(models.NotBookedRefused) {
		t.Errorf("not booked: %v", not)
	}
	page := strings.ReplaceAll(r.Get(browser, "/finance/clients/885").Body, "\u00a0", " ")
	if got := client["invoices"]; len(got) != 1 || got[0]["charged_minor"] != 300000.0 || got[0]["currency"] != "RUB" || !strings.Contains(page, "3 000,00 ₽") {
		t.Errorf("invoices: %v", got)
	}
	if got := client["ladder"]; len(got) != 3 || got[0]["invitee_id"] != 900.0 || got[2]["percent"] != 60.0 || len(client["discounts"]) == 0 || client["discounts"][0]["kind"] != "inviter" {
		t.Errorf("ladder: %v, discounts: %v", got, client["discounts"])
	}
}

// An export that cannot begin is answered as a page is, and one that fails later does not
// end as a whole one does.
func TestExportsWithoutDatabase(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleAuditor)
	w.err = errors.New("no connection")
	for _, path := range []string{"/finance/months/export", "/finance/months/2026-04/breaks/export", "/finance/journal/export"} {
		if got := r.Get(browser, path+"?format=json"); got.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	w.err, w.late = nil, errors.New("connection lost")
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/finance/journal/export?format=json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := browser.Do(q); err == nil {
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err == nil {
			t.Errorf("a journal without its end is answered as a whole one: %d", answer.StatusCode)
		}
	}
}

// A table wider than a telephone scrolls by itself, not the page with it.
func TestTablesScroll(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before := ""
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "<table>") && !strings.Contains(before, `class="scroll"`) {
				t.Errorf("%s: a table outside of a box that scrolls: %s", file, line)
			}
			before = line
		}
	}
}
