package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/billing"
	"referral/internal/demo/fakeoidc"
	"referral/models"
	"referral/web/auth"
	"referral/web/auth/authtest"
	"referral/web/finance"
	"referral/web/finance/api"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func now() time.Time { return time.Date(2026, 5, 3, 12, 0, 0, 0, moscow) }

const rejectedDocument = "019d4bd4-c400-8978-9e3d-d9083b9dc141"

// world is a storage of a month, client 885, a rejected document and a proposal. What no
// operation uses is not there.
type world struct {
	finance.Store

	err      error
	made     []models.Proposal
	recorded []models.OperatorAction
	ordered  *models.RunOrder // the last what-if
}

func (w *world) Months(context.Context) ([]models.MonthOverview, error) {
	return []models.MonthOverview{{
		PeriodInfo: models.PeriodInfo{Period: 202604, State: models.PeriodRun, Stale: 3}, Documents: models.Counted(250, -250*142000),
		LastRun: &models.Run{State: models.RunIncomplete}, CheckedAt: now(), Breaks: 1,
	}}, w.err
}

func (w *world) SomeMonths(ctx context.Context, _ ...models.Period) ([]models.MonthOverview, error) {
	return w.Months(ctx)
}

func (w *world) LastReconciliation(_ context.Context, p models.Period, _, _ int) (models.ReconciliationReport, bool, error) {
	return models.ReconciliationReport{Breaks: []models.KeptBreak{{Kind: "not-answered", AccountID: 885}}}, p == 202604, w.err
}

func (w *world) FindAccounts(context.Context, string, int64, models.UUID) ([]models.FoundAccount, error) {
	return []models.FoundAccount{{AccountID: 885, Name: "Резервация"}}, w.err
}

func (w *world) AccountHistory(_ context.Context, account int64) (c models.AccountHistory, found bool, err error) {
	c.Account = models.Account{ID: 885, Code: "K7M2QX9PA", RegisteredAt: now().AddDate(-1, 0, 0)}
	c.Referrals = []models.Referral{{InviterID: 885, InviteeID: 901, ActivatedAt: now().AddDate(0, -2, 0)}}
	c.Invoices = []models.AuditInvoice{{Invoice: models.Invoice{AccountID: 885, ID: "INV-1", Period: 202604, Revision: 1, Currency: "RUB", Lines: []models.Line{
		{ID: "1", Service: "subscription", From: models.Period(202604).First(), To: models.Period(202604).End(), Amount: 300000},
	}}}}
	return c, account == 885, w.err
}

func (w *world) Invitations(context.Context, int64, models.UUID, int) ([]models.Invitation, error) {
	return nil, w.err
}

func (w *world) InvoiceOwner(_ context.Context, invoice string) (int64, bool, error) {
	return 885, invoice == "INV-1", w.err
}

func (w *world) Register(_ context.Context, f models.RegisterFilter, limit int) (page []models.RegisterEntry, err error) {
	for account := f.After.AccountID + 1; account <= 3 && len(page) < limit; account++ {
		page = append(page, models.RegisterEntry{AccountID: account, InvoiceID: "INV", Sequence: 1, Period: 202604, PostingPeriod: f.Posted, Currency: "RUB", Amount: -142000})
	}
	return page, w.err
}

func (w *world) RegisterTotals(context.Context, models.RegisterFilter) ([]models.CurrencyTotal, error) {
	return []models.CurrencyTotal{{Currency: "RUB", CountedAmount: models.Counted(3, -3*142000)}}, w.err
}

func (w *world) Rejected(context.Context, int) ([]models.RejectedDocument, error) {
	return []models.RejectedDocument{{AccountID: 885, Amount: -142000}}, w.err
}

func (w *world) ParkedNow(context.Context, int) ([]models.ParkedAccount, error) {
	return []models.ParkedAccount{{AccountID: 885, Period: 202604, Since: now().UTC()}}, w.err
}

func (w *world) BookedFiles(_ context.Context, p models.Period) ([]models.BookedFile, error) {
	return []models.BookedFile{{Period: p, SHA256: "ab", Rows: 3, Amount: -5000, NotBooked: 1, NotBookedAmount: -700, At: now().UTC()}}, w.err
}

func (w *world) NotBooked(context.Context, models.Period, int) ([]models.NotBooked, error) {
	return []models.NotBooked{{Period: 202604, BookedRow: models.BookedRow{Line: 4, InvoiceID: "INV-9", Amount: -700}, Reason: models.NotBookedUnknownInvoice}}, w.err
}

func (w *world) HeldServices(context.Context) (map[string]models.CountedAmount, error) {
	return map[string]models.CountedAmount{"hologram": models.Counted(5, 30000)}, w.err
}

func (w *world) ServiceDecisions(context.Context) ([]models.ServiceDecision, error) {
	return []models.ServiceDecision{{ID: models.UUID{7}, Service: "telex", Class: models.ServiceExcluded, By: "Анна", ApprovedBy: "Борис"}}, w.err
}

func (w *world) ListDeadLetters(context.Context, models.DeadLetterFilter, int64, int) ([]models.DeadLetterRecord, error) {
	return nil, w.err
}

func (w *world) PendingPackages(context.Context, models.Date) (map[models.Period]int64, error) {
	return map[models.Period]int64{202602: 4}, w.err
}

func (w *world) Journal(_ context.Context, before int64, limit int) (page []models.JournalEntry, err error) {
	if before == 0 {
		before = 4
	}
	for entry := before - 1; entry > 0 && len(page) < limit; entry-- {
		page = append(page, models.JournalEntry{Entry: entry, OperatorAction: models.OperatorAction{At: now(), Who: "Анна", What: models.ActionClose, Subject: "2026-04"}})
	}
	return page, w.err
}

func (w *world) CheckJournal(context.Context) (models.JournalCheck, error) {
	return models.JournalCheck{Entries: 3}, w.err
}

func (w *world) LastJournalCheck(context.Context) (kept, since models.JournalCheck, err error) {
	return models.JournalCheck{At: now(), Entries: 2, Wrong: 1, Faults: []models.JournalFault{{Kind: models.JournalMissing, From: 1, To: 2}}}, models.JournalCheck{Entries: 1}, w.err
}

func (w *world) KeepJournalCheck(_ context.Context, _ *models.JournalCheck, act *models.OperatorAction) error {
	w.recorded = append(w.recorded, *act)
	return w.err
}

func (w *world) OrderRun(_ context.Context, o models.RunOrder, act models.OperatorAction) (models.RunOrder, bool, error) {
	w.recorded = append(w.recorded, act)
	if o.ID = 8; o.What == models.OrderWhatIf {
		o.ID, w.ordered = 9, &o
	}
	return o, true, w.err
}

func (w *world) WhatIfs(context.Context, int) ([]models.RunOrder, error) {
	return []models.RunOrder{{ID: 9, From: 202603, Period: 202604, What: models.OrderWhatIf, State: models.OrderWorking, Through: 1, All: 2}}, w.err
}

func (w *world) RunsOf(context.Context, models.Period, int) ([]models.Run, error) {
	return []models.Run{{ID: 3, State: models.RunBraked, Brake: "too much", Totals: models.Totals{Amount: -142000}}}, w.err
}

func (w *world) OrderInWork(context.Context) (models.RunOrder, bool, error) {
	return models.RunOrder{}, false, w.err
}

func (w *world) RunOrders(context.Context, models.Period, int) ([]models.RunOrder, error) {
	return []models.RunOrder{{ID: 7, What: models.OrderRehearsal, State: models.OrderDone, By: models.Person{Name: "Анна"}}}, w.err
}

func (w *world) LastRehearsal(ctx context.Context, _ models.Period) (models.RunOrder, bool, error) {
	return w.RunOrder(ctx, 7)
}

func (w *world) RunOrder(_ context.Context, id int64) (models.RunOrder, bool, error) {
	if id == 9 && w.ordered != nil {
		return *w.ordered, true, w.err
	}
	return models.RunOrder{
		ID: 7, What: models.OrderRehearsal, State: models.OrderDone, Rehearsal: &models.Rehearsal{AsOf: now(), Largest: []models.RehearsedDocument{{AccountID: 885, Amount: -142000}}},
		Comparison: &models.RunComparison{Run: 3, Accounts: 1, Named: []models.AccountOutcomes{{AccountID: 885, Facts: []models.DifferenceFact{{Kind: models.DiffInvoiceCame}}}}},
	}, id == 7, w.err
}

func (w *world) RehearsedCorrections(context.Context, models.RunOrder, int) ([]models.RehearsedAmount, int64, error) {
	return []models.RehearsedAmount{{Period: 202603, AccountID: 911, Documents: 1, Amount: 4300, Reasons: []models.AdjustmentReason{models.ReasonRevoked}}}, 7, w.err
}

func (w *world) LastSigning(context.Context, models.Period) (models.RunOrder, bool, error) {
	return models.RunOrder{ID: 8, What: models.OrderSign, State: models.OrderFailed, Signing: &models.Signing{Refused: []string{"it does not tie: 2 breaks"}}}, true, w.err
}

func (w *world) PostedTotals(context.Context, models.Period) (models.Totals, error) {
	return models.Totals{}, w.err
}

func (w *world) SignedReports(context.Context, models.Period) ([]models.SignedReport, error) {
	return []models.SignedReport{{Signature: 2, Canonical: []byte(`{"format":"referral.month-report.v1","period":"2026-04","signed_by":"Анна"}`)}}, w.err
}

func (w *world) Suspicions(context.Context, bool, int) (models.Suspicions, bool, error) {
	return models.Suspicions{
		Search: models.SuspicionSearch{At: now()}, Count: 1, List: []models.Suspicion{{Signs: []models.SuspicionSign{models.SuspiciousRing}, Stakes: []models.Stake{{Currency: "RUB", Posted: -5}}, Referrals: []models.Referral{{InviterID: 1, InviteeID: 2}}}},
	}, true, w.err
}

func (w *world) MarkSuspicionSeen(context.Context, models.Digest, string, models.Role, string) (found, marked bool, err error) {
	return true, true, w.err
}

func (w *world) Forecasts(context.Context) (made []models.Forecast, actual []models.Cost, err error) {
	key := models.CostKey{Month: 202604, Currency: "RUB", Kind: models.Inviter, Step: 2}
	return []models.Forecast{{MadeFor: 202604, MadeAt: now(), Costs: []models.Cost{{CostKey: key, Amount: -700}}}}, nil, w.err
}

func (w *world) LedgerDocument(_ context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error) {
	d = models.LedgerDocument{ID: id, AccountID: 885, InvoiceID: "INV-1", Period: 202604, Amount: -142000}
	d.Published, d.Answers = true, []models.Result{{AdjustmentID: id, Status: models.ResultRejected, At: now()}}
	return d, id.String() == rejectedDocument, w.err
}

func (w *world) WriteOff(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error) {
	d, found, err := w.LedgerDocument(ctx, id)
	if err != nil || !found {
		return d, found, err
	}
	if act.Approval != nil && w.made[0].Proposer.Is(act.Approval.By) {
		return d, true, &models.ProposalRefusal{Why: models.ProposalOwn, Proposal: 1}
	}
	w.recorded = append(w.recorded, act)
	return d, true, may(&d)
}

func (w *world) Propose(_ context.Context, p models.Proposal, _ models.Role) (models.Proposal, error) {
	if len(w.made) > 0 {
		return p, &models.ProposalRefusal{Why: models.ProposalPending, Proposal: 1, By: p.Proposer.Name}
	}
	p.ID, p.State, p.ProposedAt = 1, models.ProposalOpen, now()
	w.made = append(w.made, p)
	return p, w.err
}

func (w *world) Proposal(_ context.Context, id int64) (models.Proposal, bool, error) {
	if int(id) > len(w.made) {
		return models.Proposal{}, false, w.err
	}
	return w.made[id-1], true, w.err
}

func (w *world) RejectProposal(_ context.Context, id int64, _ models.Person, _ models.Role, why string) error {
	if int(id) > len(w.made) {
		return &models.ProposalRefusal{Why: models.ProposalUnknown, Proposal: id}
	}
	w.made[id-1].Answer = why
	return nil
}

func (w *world) OpenProposals(context.Context, int) ([]models.Proposal, error) { return w.made, w.err }

func (w *world) DecidedProposals(context.Context, int64, int) ([]models.Proposal, error) {
	return nil, w.err
}

func service(t *testing.T, w *world) *finance.Service {
	t.Helper()
	programme, err := billing.NewProgramme(moscow, []billing.Terms{{
		EffectiveFrom: models.NewDate(2020, 1, 1), WindowMonths: 1, Invitee: billing.InviteeTerms{Percent: 20, Months: 3},
		Ladder: []billing.StepTerms{{Percent: 20, Months: 3}}, Discounted: []string{"subscription"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := finance.New(finance.Options{
		Store: w, Programme: programme, Now: now, Replay: func(context.Context, int64, *models.Message) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// site is the API behind a sign-in. Person 1 has the first role of models.Roles, and so
// on.
func site(t *testing.T, w *world) *authtest.Rig {
	t.Helper()
	a, err := api.New(service(t, w))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]models.Role{}
	for _, role := range models.Roles {
		values[string(role)] = role
	}
	r := authtest.New(t, authtest.Options{
		Page: authtest.ErrorPage, Staff: &auth.StaffClaims{Roles: "roles", Name: "name", Values: values},
		Claims: func(number int64) map[string]any {
			return map[string]any{"name": fmt.Sprint("Person ", number), "roles": models.Roles[number-1 : number]}
		},
	})
	r.Serve(a.Routes())
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

// withToken is a program that shows a bearer token with every request.
func withToken(token string) *http.Client { return &http.Client{Transport: bearer(token)} }

type bearer string

func (b bearer) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	q.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(q)
}

// token is an access token of a person with roles.
func token(r *authtest.Rig, number int64, roles ...models.Role) string {
	return r.Provider.Token(number, fakeoidc.WithClaim("name", fmt.Sprint("Person ", number)), fakeoidc.WithClaim("roles", roles))
}

// ask sends a request with a JSON body, and reads the JSON of the answer.
func ask(t *testing.T, r *authtest.Rig, browser *http.Client, method, path, body string) (status int, answer map[string]any) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	got, err := browser.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %d and no JSON: %v", method, path, got.StatusCode, err)
	}
	return got.StatusCode, answer
}

var money = []models.Role{models.RoleFinance, models.RoleController, models.RoleAuditor}

// who may act, unless a second person has to decide.
var accountant = []models.Role{models.RoleFinance}

// access is who may use which operation. One that is not here fails the test.
var access = map[string]struct {
	path  string
	roles []models.Role
}{
	"GET /months":                                {"/months", money},
	"GET /months/{period}":                       {"/months/2026-04", money},
	"GET /register/{period}":                     {"/register/2026-04", money},
	"GET /clients":                               {"/clients?q=885", models.Roles},
	"GET /clients/{account_id}":                  {"/clients/885", models.Roles},
	"GET /invoices/{invoice_id}":                 {"/invoices/INV-1", models.Roles},
	"GET /queue":                                 {"/queue", money},
	"GET /journal":                               {"/journal", money},
	"GET /journal/check":                         {"/journal/check", money},
	"GET /journal/last-check":                    {"/journal/last-check", money},
	"POST /journal/check":                        {"/journal/check", money},
	"GET /months/{period}/runs":                  {"/months/2026-04/runs", money},
	"POST /months/{period}/runs":                 {"/months/2026-04/runs", accountant},
	"POST /months/{period}/runs/accept":          {"/months/2026-05/runs/accept", accountant},
	"GET /months/{period}/sign":                  {"/months/2026-04/sign", money},
	"POST /months/{period}/sign":                 {"/months/2026-13/sign", accountant},
	"POST /months/{period}/reopen":               {"/months/2026-13/reopen", accountant},
	"GET /months/{period}/report":                {"/months/2026-04/report", money},
	"GET /rehearsals/{order_id}":                 {"/rehearsals/7", money},
	"GET /suspicions":                            {"/suspicions", money},
	"POST /suspicions/{fingerprint}/seen":        {"/suspicions/" + strings.Repeat("ab", 32) + "/seen", []models.Role{models.RoleFinance, models.RoleController}},
	"GET /liabilities":                           {"/liabilities", money},
	"GET /what-if":                               {"/what-if", money},
	"GET /what-if/{order_id}":                    {"/what-if/9", money},
	"POST /what-if":                              {"/what-if", []models.Role{models.RoleFinance, models.RoleController}},
	"GET /proposals":                             {"/proposals", models.Roles},
	"GET /proposals/{proposal_id}":               {"/proposals/1", models.Roles},
	"POST /proposals/{proposal_id}/approve":      {"/proposals/7/approve", []models.Role{models.RoleController}},
	"POST /proposals/{proposal_id}/reject":       {"/proposals/7/reject", []models.Role{models.RoleSupport, models.RoleFinance, models.RoleController}},
	"POST /acts/resend/{subject}":                {"/acts/resend/x", accountant},
	"POST /acts/write-off/{subject}":             {"/acts/write-off/x", accountant},
	"POST /acts/dead-letter-replay/{subject}":    {"/acts/dead-letter-replay/x", accountant},
	"POST /acts/dead-letter-correct/{subject}":   {"/acts/dead-letter-correct/x", accountant},
	"POST /acts/revoke/{subject}":                {"/acts/revoke/x", accountant},
	"POST /acts/accept-code/{subject}":           {"/acts/accept-code/x", []models.Role{models.RoleSupport, models.RoleFinance}},
	"POST /acts/erase/{subject}":                 {"/acts/erase/x", []models.Role{models.RoleSupport, models.RoleFinance}},
	"POST /acts/undo/{subject}":                  {"/acts/undo/x", accountant},
	"POST /acts/sign-again/{subject}":            {"/acts/sign-again/x", []models.Role{models.RoleFinance, models.RoleController}},
	"POST /acts/classify-service/{subject}":      {"/acts/classify-service/x", accountant},
	"POST /acts/undo-service-decision/{subject}": {"/acts/undo-service-decision/x", accountant},
	"POST /acts/dead-letter-discard/{subject}":   {"/acts/dead-letter-discard/x", accountant},
}

// Every operation is tried as every role, and as nobody.
func TestOperationsByRole(t *testing.T) {
	t.Parallel()
	w := &world{made: []models.Proposal{{ID: 1, What: models.ActionWriteOff, Subject: rejectedDocument, State: models.ProposalOpen}}}
	r := site(t, w)
	a, err := api.New(service(t, w))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, route := range a.Routes() {
		if route.Access == auth.Anyone {
			if !strings.Contains(route.Pattern, "/openapi.") {
				t.Errorf("%s is open to anyone", route.Pattern)
			}
			continue
		}
		method, path, _ := strings.Cut(route.Pattern, " ")
		rule, ok := access[method+" "+strings.TrimPrefix(path, api.Prefix)]
		if !ok {
			t.Errorf("%s has no rule in this test", route.Pattern)
			continue
		}
		tried++
		for _, role := range models.Roles {
			for name, client := range map[string]*http.Client{"a session": as(r, role), "a token": withToken(token(r, 7, role))} {
				status, answer := ask(t, r, client, method, api.Prefix+rule.path, body(path))
				// What is allowed may ask for something that is not there.
				allowed := slices.Contains(rule.roles, role)
				if allowed && status != http.StatusOK && status != http.StatusNotFound && status != http.StatusConflict || !allowed && status != http.StatusForbidden {
					t.Errorf("%s with %s at %s: %d %v, allowed: %v", role, name, route.Pattern, status, answer, allowed)
				}
			}
		}
		if status, answer := ask(t, r, r.Browser(), method, api.Prefix+rule.path, body(path)); status != http.StatusUnauthorized {
			t.Errorf("nobody at %s: %d %v", route.Pattern, status, answer)
		}
	}
	if tried != len(access) {
		t.Errorf("%d operations were tried, the test knows %d", tried, len(access))
	}
}

// body is what an operation at a path takes.
func body(path string) string {
	switch {
	case strings.HasSuffix(path, "/runs"):
		return `{"what":"rehearse"}`
	case strings.HasSuffix(path, "/what-if"):
		return `{"from":"2026-03","to":"2026-04","terms":{"invitee":{"percent":10,"months":3},"ladder":[{"percent":30,"months":6,"sms":100}]}}`
	case strings.HasSuffix(path, "/seen"):
		return `{"note":"посмотрели"}`
	}
	return `{"reason":"почему"}`
}

// at is a value within an answer: "documents.0.amount_minor".
func at(answer any, path string) any {
	for _, name := range strings.Split(path, ".") {
		switch v := answer.(type) {
		case map[string]any:
			answer = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			answer = v[i]
		}
	}
	return answer
}

// Each operation says what the storage holds.
func TestAnswers(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleFinance)
	for path, wants := range map[string]map[string]any{
		"/months":                             {"months.0.period": "2026-04", "months.0.documents.amount_minor": -250 * 142000.0, "months.0.run": "incomplete", "months.0.stale_accounts": 3.0},
		"/months/2026-04":                     {"period": "2026-04", "named_breaks.0.account_id": 885.0, "older_system.not_booked_rows.0.line": 4.0},
		"/register/2026-04?limit=2":           {"documents.1.account_id": 2.0, "totals.0.amount_minor": -3 * 142000.0, "next": "account=2&invoice=INV&sequence=1"},
		"/register/2026-04?account=2&limit=2": {"documents.0.account_id": 3.0, "next": nil},
		"/clients?q=885":                      {"accounts.0.name": "Резервация"},
		"/clients/885":                        {"code": "K7M2QX9PA", "explanation.ladder.0.step": 1.0},
		"/invoices/INV-1":                     {"invoice_id": "INV-1", "wanted_minor": -60000.0},
		"/queue":                              {"rejected.0.amount_minor": -142000.0, "parked.0.parked_at": "2026-05-03T09:00:00Z", "held.0.service": "hologram", "service_decisions.0.class": "excluded", "packages.0.period": "2026-02", "not_booked.0.amount_minor": -700.0},
		"/journal?limit=2":                    {"entries.0.entry": 3.0, "next": 2.0},
		"/journal?before=2":                   {"entries.0.entry": 1.0, "next": nil},
		"/journal/check":                      {"entries": 3.0, "wrong": 0.0},
		"/journal/last-check":                 {"at": "2026-05-03T12:00:00+03:00", "who": nil, "kept.faults.0": "entries 1 to 2 are missing", "since.entries": 1.0},
		"/months/2026-04/runs":                {"runs.0.brake": "too much", "runs.0.totals.amount_minor": -142000.0, "orders.0.by": "Анна", "rehearsal": 7.0},
		"/rehearsals/7":                       {"largest.0.amount_minor": -142000.0, "comparison.named.0.because.0": string(models.DiffInvoiceCame)},
		"/rehearsals/8":                       {"code": "not_found"},
		"/months/2026-04/report":              {"signature": 2.0, "report.signed_by": "Анна"},
		"/suspicions":                         {"suspicions.0.signs.0": "ring", "suspicions.0.stakes.0.posted_minor": -5.0, "suspicions.0.referrals.0.invitee_id": 2.0},
		"/what-if":                            {"orders.0.from": "2026-03", "orders.0.to": "2026-04", "orders.0.chunks_through": 1.0},
		"/what-if/7":                          {"code": "not_found"},
		"/liabilities":                        {"currencies.0.currency": "RUB", "currencies.0.rows.0.amounts_minor.0": -700.0, "months.0": "2026-04"},
		"/months/2026-05":                     {"code": "not_found"},
		"/clients/901":                        {"code": "not_found"},
		"/invoices/INV-2":                     {"code": "not_found"},
		"/proposals/9":                        {"code": "not_found"},
		"/register/2026-04?client=x":          {"code": "bad_filter"},
		"/register/2026-13":                   {"code": "not_found"},
		"/register/2026-04?answer=perhaps":    {"code": "invalid"},
	} {
		_, answer := ask(t, r, browser, http.MethodGet, api.Prefix+path, "")
		for name, want := range wants {
			if got := at(answer, name); got != want {
				t.Errorf("%s: %s is %v, want %v in %v", path, name, got, want, answer)
			}
		}
	}
	w.err = errors.New("no connection")
	if status, answer := ask(t, r, browser, http.MethodGet, api.Prefix+"/months", ""); status != http.StatusServiceUnavailable || answer["code"] != "unavailable" || strings.Contains(fmt.Sprint(answer), "connection") {
		t.Errorf("without a database: %d %v", status, answer)
	}
}

// What needs two persons is proposed by one and carried out by another.
func TestTwoPersons(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	accountant, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	act, approve := api.Prefix+"/acts/write-off/"+rejectedDocument, api.Prefix+"/proposals/1/approve"
	if status, answer := ask(t, r, accountant, http.MethodPost, act, `{"reason":" "}`); status != http.StatusConflict || answer["code"] != "refused" || answer["proposal"] != nil {
		t.Errorf("without a reason: %d %v", status, answer)
	}
	status, answer := ask(t, r, accountant, http.MethodPost, act, `{"reason":"выплачено"}`)
	if status != http.StatusOK || at(answer, "proposal.state") != "open" || at(answer, "proposal.preview.changes.0.amount_minor") != -142000.0 || len(w.recorded) != 0 {
		t.Fatalf("%d %v", status, answer)
	}
	if status, answer := ask(t, r, accountant, http.MethodPost, act, `{"reason":"еще раз"}`); status != http.StatusConflict || answer["code"] != "proposal_pending" || answer["proposal"] != 1.0 || !strings.Contains(fmt.Sprint(answer["detail"]), "№ 1") {
		t.Errorf("proposed twice: %d %v", status, answer)
	}
	if status, _ := ask(t, r, controller, http.MethodPost, approve, ""); status != http.StatusOK || len(w.recorded) != 1 || w.recorded[0].Role != models.RoleController || w.recorded[0].Reason != "выплачено" {
		t.Errorf("%d %+v", status, w.recorded)
	}
	if status, _ := ask(t, r, accountant, http.MethodPost, api.Prefix+"/proposals/1/reject", `{"reason":"передумали"}`); status != http.StatusOK || w.made[0].Answer != "передумали" {
		t.Errorf("withdrawing: %d %+v", status, w.made[0])
	}
	w.made[0].Proposer = w.recorded[0].Approval.By
	if status, answer := ask(t, r, controller, http.MethodPost, approve, ""); status != http.StatusConflict || answer["code"] != "proposal_own" || answer["proposal"] != 1.0 || len(w.recorded) != 1 {
		t.Errorf("an own proposal: %d %v", status, answer)
	}
}

// A comparison of terms is an order, and its answer what a scheduler has found.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser, path := as(r, models.RoleController), api.Prefix+"/what-if"
	status, answer := ask(t, r, browser, http.MethodPost, path, body(path))
	if status != http.StatusOK || answer["from"] != "2026-03" || answer["to"] != "2026-04" || at(answer, "terms.ladder.0.sms") != 100.0 || answer["found"] != nil {
		t.Fatalf("%d %v", status, answer)
	}
	if act := w.recorded[0]; act.What != models.ActionWhatIf || act.Subject != "2026-03 2026-04" || act.Role != models.RoleController {
		t.Errorf("recorded: %+v", act)
	}
	var terms billing.Terms
	if err := json.Unmarshal([]byte(w.ordered.Terms), &terms); err != nil || terms.Invitee.Percent != 10 || terms.Ladder[0].Months != 6 || terms.Discounted[0] != "subscription" {
		t.Errorf("ordered with %s: %v", w.ordered.Terms, err)
	}
	w.ordered.State, w.ordered.WhatIf = models.OrderDone, []byte(`{"months":[{"period":"2026-03","affected":7,"discounts":[{"currency":"RUB","present_minor":-500,"other_minor":-300}]}]}`)
	_, answer = ask(t, r, browser, http.MethodGet, path+"/9", "")
	if at(answer, "found.months.0.discounts.0.other_minor") != -300.0 || at(answer, "found.months.0.affected") != 7.0 || answer["state"] != "done" {
		t.Errorf("%v", answer)
	}
	for _, months := range []string{`"from":"2026-04","to":"2026-03"`, `"from":"2025-04","to":"2026-04"`, `"from":"2026-05","to":"2026-06"`} {
		wrong := strings.Replace(body(path), `"from":"2026-03","to":"2026-04"`, months, 1)
		if status, answer := ask(t, r, browser, http.MethodPost, path, wrong); status != http.StatusConflict || answer["code"] != "refused" || !strings.Contains(fmt.Sprint(answer["detail"]), "от одного до двенадцати") {
			t.Errorf("%s: %d %v", months, status, answer)
		}
	}
}

// A program of the staff uses a token of the provider with the roles of its person.
func TestTokens(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	claims := func(roles []string, twists ...fakeoidc.TokenOption) string {
		return r.Provider.Token(1, append([]fakeoidc.TokenOption{fakeoidc.WithClaim("name", "Программа"), fakeoidc.WithClaim("roles", roles)}, twists...)...)
	}
	finance := []string{string(models.RoleFinance)}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"a good one":             {claims(finance), http.StatusOK},
		"of another role":        {claims([]string{string(models.RoleSupport)}), http.StatusForbidden},
		"without a known role":   {claims([]string{"gardener"}), http.StatusUnauthorized},
		"without roles":          {claims(nil), http.StatusUnauthorized},
		"that has expired":       {claims(finance, fakeoidc.Expired), http.StatusUnauthorized},
		"for another audience":   {claims(finance, fakeoidc.WithAudience("somebody-else")), http.StatusUnauthorized},
		"signed by another key":  {claims(finance, fakeoidc.SignedByOtherKey), http.StatusUnauthorized},
		"of a sign-in":           {claims(finance, r.Provider.AsIDToken), http.StatusUnauthorized},
		"that cannot be a token": {"x.y.z", http.StatusUnauthorized},
	} {
		if status, answer := ask(t, r, withToken(c.token), http.MethodGet, api.Prefix+"/months", ""); status != c.status || (at(answer, "months.0.period") != nil) != (c.status == http.StatusOK) {
			t.Errorf("a token %s: %d %v", name, status, answer)
		}
	}
}

// What one program proposes another approves. A person is the same with a token as with a
// session, so that nobody approves what he has proposed in the other way.
func TestTwoPersonsWithTokens(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	act, approve := api.Prefix+"/acts/write-off/"+rejectedDocument, api.Prefix+"/proposals/1/approve"
	both := []models.Role{models.RoleFinance, models.RoleController}
	proposer := int64(slices.Index(models.Roles, models.RoleController) + 1)
	if status, answer := ask(t, r, withToken(token(r, proposer, both...)), http.MethodPost, act, `{"reason":"выплачено"}`); status != http.StatusOK || at(answer, "proposal.state") != "open" {
		t.Fatalf("%d %v", status, answer)
	}
	for name, client := range map[string]*http.Client{"token": withToken(token(r, proposer, both...)), "session": as(r, models.RoleController)} {
		if status, answer := ask(t, r, client, http.MethodPost, approve, ""); status != http.StatusConflict || answer["code"] != "proposal_own" || len(w.recorded) != 0 {
			t.Errorf("his own proposal, with a %s: %d %v", name, status, answer)
		}
	}
	if status, answer := ask(t, r, withToken(token(r, 9, models.RoleController)), http.MethodPost, approve, ""); status != http.StatusOK || len(w.recorded) != 1 || w.recorded[0].Who != "Person 9" || w.recorded[0].Role != models.RoleController {
		t.Errorf("%d %v, recorded %+v", status, answer, w.recorded)
	}
}
