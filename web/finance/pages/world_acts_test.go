package pages_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"referral/models"
)

const rejectedDocument = "019d4bd4-c400-8978-9e3d-d9083b9dc141"

// worldActs is a document that billing has rejected, dead letter 12, and the proposals
// that are made about them. Proposal 1 is there from the beginning, by Boris.
type worldActs struct {
	made     []models.Proposal
	recorded []models.OperatorAction
	replayed []models.Message
	decided  []models.StaffDecision
	services []models.ServiceDecision
	erased   []int64
}

var openProposal = models.Proposal{
	ID: 1, What: models.ActionDiscard, Subject: "dead-letter 12", Proposer: models.Person{Subject: "2", Name: "Борис"}, Reason: payload, ProposedAt: now(),
	State: models.ProposalOpen, Preview: models.Preview{
		Changes: []models.PreviewChange{{AccountID: 885, InvoiceID: "INV-1", Period: 202604, Currency: "RUB", Amount: -142000}, {AccountID: 885, SMS: 1200}},
		Totals:  []models.PreviewTotal{{Currency: "RUB", Accounts: 1, Amount: -142000}}, More: 3, Notes: []string{"Пакет не возвращается"},
	},
}

func (w *world) LedgerDocument(_ context.Context, id models.UUID) (d models.LedgerDocument, found bool, err error) {
	d = models.LedgerDocument{ID: id, AccountID: 885, InvoiceID: "INV-1", Period: 202604, Amount: -142000}
	d.Published, d.Answers = true, []models.Result{{AdjustmentID: id, Status: models.ResultRejected, Reason: payload, At: now()}}
	return d, id.String() == rejectedDocument, w.err
}

func (w *world) Resend(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error) {
	d, found, err := w.LedgerDocument(ctx, id)
	if err == nil && found {
		err = may(&d)
	}
	if err == nil {
		err = w.record(act)
	}
	return d, found, err
}

func (w *world) WriteOff(ctx context.Context, id models.UUID, act models.OperatorAction, may func(*models.LedgerDocument) error) (models.LedgerDocument, bool, error) {
	return w.Resend(ctx, id, act, may)
}

// record records an act, as the storage does: with the approval that it needs.
func (w *world) record(act models.OperatorAction) error {
	if a := act.Approval; a != nil {
		p, _, _ := w.Proposal(context.Background(), a.Proposal)
		switch {
		case p.State != models.ProposalOpen:
			return &models.ProposalRefusal{Why: models.ProposalDecided, Proposal: p.ID, By: p.Decider.Name}
		case p.Proposer.Is(a.By):
			return &models.ProposalRefusal{Why: models.ProposalOwn, Proposal: p.ID, By: p.Proposer.Name}
		}
		w.decide(p.ID, models.ProposalApproved, a.By)
	}
	w.recorded = append(w.recorded, act)
	return nil
}

func (w *world) decide(id int64, state models.ProposalState, by models.Person) {
	for i := range w.made {
		if w.made[i].ID == id {
			w.made[i].State, w.made[i].Decider, w.made[i].DecidedAt = state, by, now()
		}
	}
}

func (w *world) DeadLetter(_ context.Context, id int64) (letter models.DeadLetterRecord, found bool, err error) {
	letter.ID, letter.State = id, models.DeadLetterWaiting
	letter.Message = models.Message{Origin: models.Origin{Topic: "billing.invoices", Partition: 1, Offset: 7}, Key: []byte("885"), Value: []byte(payload)}
	return letter, id == 12, w.err
}

func (w *world) ReplayDeadLetter(ctx context.Context, id int64, corrected []byte, act models.OperatorAction, send func(models.Message) error) error {
	letter, _, err := w.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	if corrected != nil {
		letter.Message.Value = corrected
	}
	if err := send(letter.Message); err != nil {
		return err
	}
	return w.record(act)
}

func (w *world) replay(_ context.Context, _ int64, m *models.Message) error {
	w.replayed = append(w.replayed, *m)
	return nil
}

func (w *world) DiscardDeadLetters(_ context.Context, ids []int64, act func(int64) models.OperatorAction) ([]int64, error) {
	return ids, w.record(act(ids[0]))
}

func (w *world) Propose(_ context.Context, p models.Proposal, _ models.Role) (models.Proposal, error) {
	for _, open := range w.made {
		if open.State == models.ProposalOpen && open.What == p.What && open.Subject == p.Subject {
			return p, &models.ProposalRefusal{Why: models.ProposalPending, Proposal: open.ID, By: open.Proposer.Name}
		}
	}
	p.ID, p.State, p.ProposedAt = int64(len(w.made)+2), models.ProposalOpen, now()
	w.made = append(w.made, p)
	return p, w.err
}

func (w *world) RejectProposal(_ context.Context, id int64, by models.Person, _ models.Role, _ string) error {
	w.decide(id, models.ProposalRejected, by)
	return w.err
}

func (w *world) Proposal(_ context.Context, id int64) (models.Proposal, bool, error) {
	all := append([]models.Proposal{openProposal}, w.made...)
	i := slices.IndexFunc(all, func(p models.Proposal) bool { return p.ID == id })
	if i < 0 {
		return models.Proposal{}, false, w.err
	}
	return all[i], true, w.err
}

func (w *world) OpenProposals(context.Context, int) ([]models.Proposal, error) {
	open := []models.Proposal{openProposal}
	for _, p := range w.made {
		if p.State == models.ProposalOpen {
			open = append(open, p)
		}
	}
	return open, w.err
}

func (w *world) DecidedProposals(_ context.Context, before int64, limit int) (page []models.Proposal, err error) {
	if before == 0 {
		before = 61
	}
	for id := before - 1; id > 1 && len(page) < limit; id-- {
		decided := openProposal
		decided.ID, decided.State, decided.Decider, decided.DecidedAt = id, models.ProposalApproved, models.Person{Name: "Вера"}, now()
		page = append(page, decided)
	}
	return page, w.err
}

// What one person may do happens at once; what needs two waits for the other one, who
// sees what is proposed.
func TestActsOfOneAndOfTwoPersons(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	finance, controller := as(r, models.RoleFinance), as(r, models.RoleController)

	if got := r.Get(finance, "/finance/queue"); !strings.Contains(got.Body, "/finance/acts/dead-letter-correct/dead-letter%2012") || !strings.Contains(got.Body, "Списать") {
		t.Errorf("the queue offers no acts: %s", got.Body)
	}
	if got := r.Get(controller, "/finance/queue"); strings.Contains(got.Body, "/finance/acts/") {
		t.Error("the queue offers a controller acts that he may not propose")
	}
	resend := "/finance/acts/resend/" + rejectedDocument
	if got := r.Post(finance, resend, url.Values{"reason": {" "}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Напишите причину") || len(w.recorded) != 0 {
		t.Errorf("without a reason: %d %v", got.Status, w.recorded)
	}
	got := r.Post(finance, resend, url.Values{"reason": {"счет открыт"}})
	if got.Status != http.StatusOK || got.URL.Path != "/finance/queue" || !strings.Contains(got.Body, "передал документ повторно") || len(w.recorded) != 1 || w.recorded[0].Reason != "счет открыт" || w.recorded[0].Role != models.RoleFinance {
		t.Fatalf("%d %s %v", got.Status, got.URL, w.recorded)
	}

	correct := "/finance/acts/dead-letter-correct/dead-letter%2012"
	if got := r.Post(finance, correct, url.Values{"reason": {"опечатка"}, "text": {"a\x00b"}}); got.Status != http.StatusBadRequest || !strings.Contains(got.Body, "Форму прочитать не удалось") {
		t.Errorf("a NUL: %d", got.Status)
	}
	if got := r.Post(finance, correct, url.Values{"reason": {"опечатка"}, "text": {`{"name":"\u0000"}`}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "нулевой знак") {
		t.Errorf("a NUL in a string: %d %s", got.Status, got.Body)
	}
	got = r.Post(finance, correct, url.Values{"reason": {"опечатка"}, "text": {`{"account_id":885}`}})
	if got.URL.Path != "/finance/proposals/2" || !strings.Contains(got.Body, "Ждет решения") || strings.Contains(got.Body, "Утвердить и выполнить") || !strings.Contains(got.Body, "Отозвать предложение") || len(w.replayed) != 0 {
		t.Fatalf("%d %s %s", got.Status, got.URL, got.Body)
	}
	if got := r.Post(finance, correct, url.Values{"reason": {"еще раз"}, "text": {"{}"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "предложение № 2 ждет решения") {
		t.Errorf("proposed twice: %d %s", got.Status, got.Body)
	}
	if got := r.Get(controller, "/finance/proposals/2"); !strings.Contains(got.Body, "Утвердить и выполнить") || !strings.Contains(got.Body, "account_id") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	got = r.Post(controller, "/finance/proposals/2/approve", nil)
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "Утверждено") || len(w.replayed) != 1 || string(w.replayed[0].Value) != `{"account_id":885}` {
		t.Fatalf("%d %s %v", got.Status, got.Body, w.replayed)
	}
	if last := w.recorded[len(w.recorded)-1]; last.What != models.ActionReplayCorrected || last.Reason != "опечатка" || last.Role != models.RoleController {
		t.Errorf("recorded %+v", last)
	}
	if got := r.Post(controller, "/finance/proposals/2/approve", nil); got.Status != http.StatusConflict || !strings.Contains(got.Body, "уже решено") {
		t.Errorf("approved twice: %d", got.Status)
	}
}

// Nobody decides on what he has proposed, whatever his roles are, and only a controller
// rejects what another has proposed.
func TestOwnProposals(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	finance, controller, support, both := as(r, models.RoleFinance), as(r, models.RoleController), as(r, models.RoleSupport), r.Browser()
	r.SignIn(both, 5, "")
	got := r.Post(both, "/finance/acts/write-off/"+rejectedDocument, url.Values{"reason": {"выплачено"}})
	if p := w.made[0]; got.URL.Path != "/finance/proposals/2" || strings.Contains(got.Body, "Утвердить") || p.What != models.ActionWriteOff || p.Preview.Changes[0].Amount != -142000 {
		t.Fatalf("%s %+v %s", got.URL, p, got.Body)
	}
	if got := r.Post(both, "/finance/proposals/2/approve", nil); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Свое предложение") || len(w.recorded) != 0 {
		t.Errorf("own proposal: %d %s", got.Status, got.Body)
	}
	if got := r.Post(both, "/finance/proposals/2/reject", url.Values{"reason": {"ошибка"}}); got.Status != http.StatusOK || !strings.Contains(got.Body, "Отклонено") {
		t.Errorf("withdrawing: %d %s", got.Status, got.Body)
	}
	for _, browser := range []*http.Client{support, finance} {
		if got := r.Post(browser, "/finance/proposals/1/reject", url.Values{"reason": {"нет"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "может контролер") {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	if got := r.Post(controller, "/finance/proposals/1/reject", url.Values{"reason": {"нет"}}); got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// The list of proposals says who proposed what, and pages through the decided ones.
func TestProposalPages(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleAuditor)
	first, second := r.Get(browser, "/finance/proposals").Body, r.Get(browser, "/finance/proposals?before=11").Body
	if strings.Count(first, "Утверждено") != 50 || strings.Count(second, "Утверждено") != 9 || !strings.Contains(first, "before=11") || strings.Contains(first, payload) {
		t.Errorf("the first page is %s", first)
	}
	body := strings.ReplaceAll(r.Get(browser, "/finance/proposals/1").Body, "\u00a0", " ")
	for _, want := range []string{"Отбросить сообщение: предложение № 1", "Борис", "−1 420,00 ₽", "1200 SMS", "И еще изменений: 3", "Пакет не возвращается"} {
		if !strings.Contains(body, want) {
			t.Errorf("the proposal does not say %q: %s", want, body)
		}
	}
	if strings.Contains(body, "<form class=\"act\"") {
		t.Error("an auditor is offered a decision")
	}
	for _, path := range []string{"/finance/proposals/77", "/finance/proposals/x", "/finance/proposals?before=0"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	finance := as(r, models.RoleFinance)
	for _, path := range []string{"/finance/acts/resend/x", "/finance/acts/resend/019d4bd4-c400-8978-9e3d-d9083b9dc142", "/finance/acts/dead-letter-discard/12", "/finance/acts/dead-letter-discard/dead-letter%2013"} {
		if got := r.Get(finance, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// What waits, what was decided, what was found and what a client has are files too, and
// say what the pages say.
func TestListsAsFiles(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleFinance)
	var proposals []map[string]any
	if err := json.Unmarshal([]byte(r.Get(browser, "/finance/proposals/export?format=json").Body), &proposals); err != nil || len(proposals) != 60 || proposals[0]["state"] != "open" || proposals[59]["id"] != 2.0 {
		t.Errorf("%d proposals, %v: %v", len(proposals), proposals, err)
	}
	for path, wants := range map[string][]string{
		"/finance/queue/export?format=csv":         {"hologram,5,300.00", "2026-02,4", "the sum is absurd,2026-04-30", "-1420.00"},
		"/finance/clients/export?q=885&format=csv": {"885,", "7707083893"},
		"/finance/clients/885/export?format=csv":   {"INV-1,2026-04,RUB,3000.00", "Ступени,", "Скидки по дням,inviter,"},
	} {
		got := r.Get(browser, path)
		for _, want := range wants {
			if got.Status != http.StatusOK || !strings.Contains(got.Body, want) {
				t.Errorf("%s: %d, no %q in %s", path, got.Status, want, got.Body)
			}
		}
	}
	for _, path := range []string{"/finance/queue/export?format=pdf", "/finance/proposals/export", "/finance/clients/77/export?format=csv"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}
