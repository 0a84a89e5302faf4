package pages_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"referral/models"
)

// worldRuns is the runs and orders of April: rehearsal 7 is done, and was compared with
// run 3.
type worldRuns struct {
	runs   []models.Run
	orders []models.RunOrder
	busy   *models.RunOrder // that a scheduler works on; nil: none seems to run
}

func (w *world) OrderInWork(context.Context) (models.RunOrder, bool, error) {
	if w.busy == nil {
		return models.RunOrder{}, false, w.err
	}
	return *w.busy, true, w.err
}

func (w *world) OrderRun(_ context.Context, o models.RunOrder, act models.OperatorAction) (models.RunOrder, bool, error) {
	if w.err != nil {
		return o, false, w.err
	}
	same := slices.IndexFunc(w.orders, func(other models.RunOrder) bool {
		return other.Period == o.Period && other.From == o.From && other.Terms == o.Terms && other.What == o.What && other.Active()
	})
	if same < 0 || act.Approval != nil {
		if err := w.record(act); err != nil {
			return o, false, err
		}
	}
	if same >= 0 {
		return w.orders[same], false, nil
	}
	o.ID, o.State, o.At = int64(len(w.orders)+8), models.OrderWaiting, now()
	w.orders = slices.Insert(w.orders, 0, o)
	return o, true, nil
}

func (w *world) RunOrders(context.Context, models.Period, int) ([]models.RunOrder, error) {
	return w.orders, w.err
}

func (w *world) RunOrder(_ context.Context, id int64) (models.RunOrder, bool, error) {
	if id == 6 {
		return models.RunOrder{ID: 6, Period: 202604, What: models.OrderRehearsal, State: models.OrderWorking, Seen: now(), Through: 3, All: 12}, true, w.err
	}
	if id == 5 {
		return w.whatIf(), true, w.err
	}
	if i := slices.IndexFunc(w.orders, func(o models.RunOrder) bool { return o.ID == id }); i >= 0 {
		return w.orders[i], true, w.err
	}
	return rehearsal(), id == 7, w.err
}

func (w *world) LastSigning(_ context.Context, p models.Period) (models.RunOrder, bool, error) {
	for _, o := range w.orders {
		if o.What == models.OrderSign && o.Period == p {
			return o, true, w.err
		}
	}
	return models.RunOrder{}, false, w.err
}

func (w *world) SignAgain(_ context.Context, p models.Period, act models.OperatorAction) (bool, error) {
	last, _, err := w.LastSigning(context.Background(), p)
	again, allowed := last.Again(now())
	if err != nil || !allowed {
		return false, err
	}
	w.orders = []models.RunOrder{again}
	return true, w.record(act)
}

// RehearsedCorrections is two accounts in March, of which a page has room for less.
func (w *world) RehearsedCorrections(context.Context, models.RunOrder, int) ([]models.RehearsedAmount, int64, error) {
	return []models.RehearsedAmount{
		{Period: 202603, AccountID: 911, Documents: 2, Amount: 4300, Reasons: []models.AdjustmentReason{models.ReasonRevoked, models.ReasonInvoiceRevised}},
		{Period: 202603, AccountID: 912, Amount: 0, Packages: 1, Parked: 1},
	}, 1500, w.err
}

func (w *world) LastRehearsal(_ context.Context, p models.Period) (models.RunOrder, bool, error) {
	return rehearsal(), p == 202604, w.err
}

func (w *world) RunsOf(context.Context, models.Period, int) ([]models.Run, error) {
	return w.runs, w.err
}

func (w *world) Progress(context.Context, models.Run) (through, all int, err error) {
	return 4, 9, w.err
}

func rehearsal() models.RunOrder {
	return models.RunOrder{
		ID: 7, Period: 202604, What: models.OrderRehearsal, State: models.OrderDone, By: models.Person{Name: payload}, At: now(), FinishedAt: now(),
		Rehearsal: &models.Rehearsal{
			AsOf: now(), Run: models.RehearsedRun{Period: 202604, Kind: models.RunRegular, Totals: models.Totals{Accounts: 90, Full: 7, Documents: 250, Amount: -35500000, Packages: 8, Parked: 1},
				Brake: []string{"7 of 90 accounts reach 100 %, more than the 5 % allowed (largest_full_share)"}},
			Before:   models.Totals{Accounts: 80, Amount: -30000000},
			Carried:  []models.RehearsedRun{{Period: 202603, Kind: models.RunDifferences, Totals: models.Totals{Documents: 2, Amount: 4200}}},
			Services: []models.ServiceSum{{Service: payload, Lines: 250, Amount: -35500000}}, Percents: []models.PercentSum{{Percent: 0, Lines: 1, Amount: 100}, {Percent: 60, Lines: 249, Amount: -35500100}},
			Largest: []models.RehearsedDocument{{AccountID: 885, InvoiceID: "INV-1", Period: 202604, Currency: "RUB", Amount: -142000, Reason: models.ReasonRun}},
			Changed: []models.AccountChange{{AccountID: 902, Before: -100, Now: -77700}}, NewFull: []int64{903}, FullMore: 41,
			Parked: []models.ParkedAccount{{AccountID: 904, Error: payload}}, Held: []models.HeldService{{Service: "hologram", Lines: 3, Amount: 30000}},
		},
		Comparison: &models.RunComparison{
			Run: 3, StartedAt: now(), Posted: models.Totals{Documents: 251, Amount: -35600000}, Accounts: 1200, Unexplained: 1,
			Named: []models.AccountOutcomes{
				{AccountID: 905, Rehearsed: models.Outcome{Amount: -100}, Posted: models.Outcome{Amount: -300, Packages: 1}, Facts: []models.DifferenceFact{
					{Kind: models.DiffInvoiceRevised, InvoiceID: "INV-905", From: 1, To: 2, Provenance: &models.Provenance{Origin: models.Origin{Topic: "billing.invoices", Partition: 1, Offset: 77}, At: now()}},
					{Kind: models.DiffPercent, Discount: models.Inviter, Day: models.NewDate(2026, 4, 20), From: 40, To: 60}, {Kind: models.DiffActivation, Day: models.NewDate(2026, 4, 20), Other: 917},
				}},
				{AccountID: 906, Posted: models.Outcome{Amount: -500}},
			},
		},
		Corrected: []models.RunComparison{{Run: 4, Period: 202603, StartedAt: now(), Accounts: 1, Named: []models.AccountOutcomes{
			{AccountID: 913, Posted: models.Outcome{Documents: 1, Amount: 700}, Facts: []models.DifferenceFact{{Kind: models.DiffDecision, Day: models.NewDate(2026, 5, 1), Other: 914, Detail: string(models.DecisionRevoke)}}},
		}}},
	}
}

// A rehearsal shows what it found, in Russian, and how the run that followed differs,
// with the facts and where they came from.
func TestRehearsalPages(t *testing.T) {
	t.Parallel()
	r := site(t, &world{})
	browser := as(r, models.RoleController)
	for _, path := range []string{"/finance/rehearsals/7", "/finance/months/2026-04/run"} {
		got := r.Get(browser, path)
		body := strings.ReplaceAll(got.Body, "\u00a0", " ")
		for _, want := range []string{
			"−355 000,00 ₽", "−300 000,00 ₽", "скидка 100 % у 7 из 90 клиентов, предел", "Март 2026", "42,00 ₽", "60%", "снятие проведенного", `href="/finance/invoices/INV-1"`,
			"−777,00 ₽", "и еще 41", "hologram", "расчет № 3", "Отличается по клиентам: 1 200", "Ничем не объясняется: 1", "счет INV-905 изменен: редакция 2 вместо 1",
			"billing.invoices, раздел 1, № 77", "с 20.04.2026", "60 % вместо 40 %", "клиент 917 ввел код", "ничем не объясняется", "пакетов SMS: 1",
			`href="/finance/clients/911"`, "43,00 ₽", "приведение отозвано, счет изменился", "рассчитать не удалось", "Всего исправлений: 1 500",
			"Исправления за март 2026: что провел расчет № 4", "решение сотрудников от 01.05.2026 о клиенте 914",
		} {
			if got.Status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, and not %q in %s", path, got.Status, want, body)
			}
		}
		if strings.Contains(body, payload) || got.Header.Get("Refresh") != "" {
			t.Errorf("%s: refresh %q, or shows what was entered as markup", path, got.Header.Get("Refresh"))
		}
	}
	if got := r.Get(browser, "/finance/rehearsals/6"); !strings.Contains(got.Body, "3 из 12 частей") || got.Header.Get("Refresh") == "" {
		t.Errorf("a rehearsal under way: %v %s", got.Header, got.Body)
	}
	plain := r.Get(browser, "/finance/rehearsals/7/export?format=csv").Body
	if !strings.Contains(plain, "INV-1,885,2026-04,run,RUB,-1420.00") || !strings.Contains(plain, "906,,0.00,0,-5.00,0,ничем не объясняется") ||
		!strings.Contains(plain, "911,2026-03,2,43.00,0,0,") || !strings.Contains(plain, "913,2026-03,0.00,0,7.00,0,решение сотрудников") {
		t.Errorf("CSV: %s", plain)
	}
	if got := r.Get(browser, "/finance/months/2026-02/run"); got.Status != http.StatusOK || !strings.Contains(strings.ReplaceAll(got.Body, "\u00a0", " "), "Расчет: февраль 2026") {
		t.Errorf("a month without invoices, in which packages were earned: %d %s", got.Status, got.Body)
	}
	for _, path := range []string{"/finance/rehearsals/8", "/finance/rehearsals/x", "/finance/rehearsals/6/export?format=csv", "/finance/rehearsals/7/export?format=pdf", "/finance/months/2026-09/run"} {
		if got := r.Get(browser, path); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
}

// A rehearsal and a run are ordered once, however often the button is pressed, recorded,
// and waited for by a page that refreshes itself.
func TestRunsAreOrdered(t *testing.T) {
	t.Parallel()
	w := &world{}
	r := site(t, w)
	browser := as(r, models.RoleFinance)
	for range 2 {
		got := r.Post(browser, "/finance/months/2026-04/run", url.Values{"what": {"rehearse"}})
		if got.Status != http.StatusOK || got.URL.Path != "/finance/months/2026-04/run" || got.Header.Get("Refresh") == "" || !strings.Contains(got.Body, "Ждет службы расчета") || strings.Contains(got.Body, "не работает") {
			t.Errorf("%d %s %v %s", got.Status, got.URL, got.Header, got.Body)
		}
	}
	r.Post(browser, "/finance/months/2026-04/run", url.Values{"what": {"run"}, "full": {"1"}})
	if len(w.orders) != 2 || len(w.recorded) != 2 || !w.orders[0].Full || w.recorded[0].What != models.ActionRehearse || w.recorded[1].What != models.ActionRun || w.recorded[1].Role != models.RoleFinance {
		t.Errorf("ordered %+v, recorded %+v", w.orders, w.recorded)
	}
	w.orders[0].At = now().Add(-3 * time.Hour)
	waits := func(path, says string) {
		t.Helper()
		if got := strings.ReplaceAll(r.Get(browser, path).Body, "\u00a0", " "); !strings.Contains(got, says) {
			t.Errorf("%s: not %q in %s", path, says, got)
		}
	}
	w.orders[1].At = w.orders[0].At
	paths := []string{"/finance/months/2026-04/run", fmt.Sprint("/finance/rehearsals/", w.orders[1].ID)}
	for _, path := range paths {
		waits(path, "ждет уже 3 часа. Служба расчета его не берет: она не работает")
	}
	w.busy = &models.RunOrder{What: models.OrderWhatIf, At: now(), By: models.Person{Name: "Борис"}}
	for _, path := range paths {
		waits(path, "ждет уже 3 часа. Служба расчета занята: Сравнение условий, заказ от 03.05.2026 12:00, Борис.")
	}
	w.busy, w.orders[1].State, w.orders[1].Seen = nil, models.OrderWorking, now().Add(-2*time.Minute)
	waits(paths[1], "ждет уже 2 минуты. Служба расчета его не берет")
	w.orders[1].Seen = now().Add(-time.Minute)
	if got := r.Get(browser, paths[1]); strings.Contains(got.Body, "ждет уже") {
		t.Errorf("another scheduler is about to take it up: %s", got.Body)
	}
	w.orders[0].State, w.orders[0].Error = models.OrderFailed, "the disk is full"
	w.runs = []models.Run{{ID: 4, Period: 202604, State: models.RunPosting}}
	if got := r.Get(browser, "/finance/months/2026-04/run"); !strings.Contains(got.Body, "the disk is full") || !strings.Contains(got.Body, "4 из 9 частей") {
		t.Errorf("a run under way: %s", got.Body)
	}
	if got := r.Post(browser, "/finance/months/2026-04/run", url.Values{"what": {"accept-run"}}); got.Status != http.StatusConflict || len(w.orders) != 2 {
		t.Errorf("alone past the limits: %d, %d orders", got.Status, len(w.orders))
	}
	if got := r.Post(browser, "/finance/months/2026-09/run", url.Values{"what": {"run"}}); got.Status != http.StatusNotFound || len(w.orders) != 2 {
		t.Errorf("an unknown month: %d, %d orders", got.Status, len(w.orders))
	}
}

// A run that the brake holds is posted once one person has proposed it and another has
// approved, and not before.
func TestBrakedRunNeedsTwoPersons(t *testing.T) {
	t.Parallel()
	w := &world{}
	w.runs = []models.Run{{ID: 5, Period: 202604, Kind: models.RunRegular, State: models.RunBraked, Totals: models.Totals{Accounts: 90, Full: 7, Documents: 250, Amount: -35500000},
		Brake: "the discounts total 355000.00, more than the 1.00 allowed (largest_total); something new"}}
	r := site(t, w)
	finance, controller := as(r, models.RoleFinance), as(r, models.RoleController)
	body := strings.ReplaceAll(r.Get(finance, "/finance/months/2026-04/run").Body, "\u00a0", " ")
	for _, want := range []string{"Расчет остановлен пределами", "скидок на 355 000,00 ₽, предел", "something new", "Предложить провести сверх пределов"} {
		if !strings.Contains(body, want) {
			t.Errorf("not %q in %s", want, body)
		}
	}
	if strings.Contains(r.Get(controller, "/finance/months/2026-04/run").Body, "Предложить провести") {
		t.Error("the controller is offered to propose")
	}
	if got := r.Post(finance, "/finance/months/2026-04/run/accept", url.Values{}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "Напишите причину") {
		t.Errorf("without a reason: %d %s", got.Status, got.Body)
	}
	got := r.Post(finance, "/finance/months/2026-04/run/accept", url.Values{"reason": {"акция марта"}})
	path := got.URL.Path
	if got.Status != http.StatusOK || !strings.HasPrefix(path, "/finance/proposals/") || len(w.orders) != 0 || !strings.Contains(got.Body, "Провести расчет сверх пределов") {
		t.Fatalf("%d %s %s", got.Status, path, got.Body)
	}
	if got := r.Get(finance, "/finance/months/2026-04/run"); !strings.Contains(got.Body, path) || strings.Contains(got.Body, "Предложить провести") {
		t.Errorf("once proposed: %s", got.Body)
	}
	w.runs[0].ID = 6 // the month was run once more, and held again
	if got := r.Post(controller, path+"/approve", nil); got.Status != http.StatusConflict || !strings.Contains(got.Body, "остановлен другой расчет, № 6") || len(w.orders) != 0 {
		t.Errorf("another run than was proposed: %d, %+v %s", got.Status, w.orders, got.Body)
	}
	w.runs[0].ID = 5
	if got := r.Post(controller, path+"/approve", nil); got.Status != http.StatusOK || len(w.orders) != 1 {
		t.Fatalf("%d, %+v", got.Status, w.orders)
	}
	last := w.recorded[len(w.recorded)-1]
	if o := w.orders[0]; o.What != models.OrderAcceptedRun || o.Full || o.Accepted == nil || *o.Accepted != -35500000 || last.What != models.ActionAcceptRun || last.Reason != "акция марта" || last.Role != models.RoleController {
		t.Errorf("%+v, %+v", o, last)
	}
	w.runs[0].State = models.RunAbandoned
	if got := r.Post(finance, "/finance/months/2026-04/run/accept", url.Values{"reason": {"еще раз"}}); got.Status != http.StatusConflict || !strings.Contains(got.Body, "не остановлен пределами") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
