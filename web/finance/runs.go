package finance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"referral/internal/ru"
	"referral/models"
)

// RunStore is the methods of the storage that runs and rehearsals use.
type RunStore interface {
	OrderRun(ctx context.Context, o models.RunOrder, act models.OperatorAction) (order models.RunOrder, made bool, err error)
	RunOrders(ctx context.Context, p models.Period, limit int) ([]models.RunOrder, error)
	RunOrder(ctx context.Context, id int64) (o models.RunOrder, found bool, err error)
	RehearsedCorrections(ctx context.Context, o models.RunOrder, limit int) (corrections []models.RehearsedAmount, all int64, err error)
	LastRehearsal(ctx context.Context, p models.Period) (o models.RunOrder, found bool, err error)
	RunsOf(ctx context.Context, p models.Period, limit int) ([]models.Run, error)
	OrderInWork(ctx context.Context) (o models.RunOrder, found bool, err error)
	Progress(ctx context.Context, run models.Run) (through, all int, err error)
}

// MonthRuns is what was run and ordered of a month.
type MonthRuns struct {
	models.MonthOverview
	Runs     []RunView         // the newest first
	Orders   []models.RunOrder // the newest first, without what they found
	Last     *models.RunOrder  // the newest rehearsal that is done; nil for none
	Proposal *models.Proposal  // to let the braked run pass; nil for none
	Idle     Idle
}

// Idle is that an order waits and no scheduler works on it.
type Idle struct {
	For  time.Duration    // 0: no order waits for long
	Busy *models.RunOrder // that a scheduler works on meanwhile; nil when none seems to run
}

// RunView is a run, with how far it is.
type RunView struct {
	models.Run
	Through, All int      // chunks of its present phase; only while it works
	Why          []string // why the brake holds it, in Russian
}

// runsShown is how many runs and orders of a month are shown.
const runsShown = 20

// patience is how long an order may wait for a scheduler before its page says so. One that
// a scheduler works on is signed every few seconds, and taken up by another scheduler a
// minute after the last sign; deadAfter is when that should have happened.
const (
	patience  = 30 * time.Second
	deadAfter = 90 * time.Second
)

// MonthRuns is what was run and ordered of a month. found is false when the month is not
// known.
func (s *Service) MonthRuns(ctx context.Context, period models.Period) (m MonthRuns, found bool, err error) {
	if m.MonthOverview, found, err = s.runnable(ctx, period); err != nil || !found {
		return m, false, err
	}
	runs, err := s.o.Store.RunsOf(ctx, period, runsShown)
	if err != nil {
		return m, true, err
	}
	for _, run := range runs {
		v := RunView{Run: run}
		if run.Brake != "" {
			v.Why = s.brakeWords(run, strings.Split(run.Brake, "; "))
		}
		if run.Active() {
			if v.Through, v.All, err = s.o.Store.Progress(ctx, run); err != nil {
				return m, true, err
			}
		}
		m.Runs = append(m.Runs, v)
	}
	if m.Orders, err = s.o.Store.RunOrders(ctx, period, runsShown); err != nil {
		return m, true, err
	}
	if m.Idle, err = s.Idle(ctx, m.Orders...); err != nil {
		return m, true, err
	}
	last, rehearsed, err := s.o.Store.LastRehearsal(ctx, period)
	if err != nil {
		return m, true, err
	}
	if rehearsed {
		m.Last = &last
	}
	m.Proposal, err = s.openAcceptance(ctx, period)
	return m, true, err
}

// Idle is how long the oldest of some orders waits that no scheduler works on, and why.
func (s *Service) Idle(ctx context.Context, orders ...models.RunOrder) (idle Idle, err error) {
	for i := range orders {
		since, longest := orders[i].At, patience
		switch orders[i].State {
		case models.OrderWaiting:
		case models.OrderWorking:
			since, longest = orders[i].Seen, deadAfter
		default:
			continue
		}
		if waits := s.o.Now().Sub(since); waits > longest {
			idle.For = max(idle.For, waits)
		}
	}
	if idle.For == 0 {
		return idle, nil
	}
	o, found, err := s.o.Store.OrderInWork(ctx)
	if found {
		idle.Busy = &o
	}
	return idle, err
}

// runnable is a month that may be run: one that is known, or one that no invoice has named
// and in which packages were earned.
func (s *Service) runnable(ctx context.Context, period models.Period) (m models.MonthOverview, found bool, err error) {
	months, err := s.o.Store.SomeMonths(ctx, period)
	if err != nil {
		return m, false, err
	}
	if len(months) > 0 {
		return months[0], true, nil
	}
	packages, err := s.PendingPackages(ctx)
	m.PeriodInfo = models.PeriodInfo{Period: period, State: models.PeriodOpen}
	return m, packages[period] > 0, err
}

func (s *Service) openAcceptance(ctx context.Context, period models.Period) (*models.Proposal, error) {
	open, err := s.o.Store.OpenProposals(ctx, openLimit)
	for i := range open {
		if open[i].What == models.ActionAcceptRun && open[i].Subject == period.String() {
			return &open[i], err
		}
	}
	return nil, err
}

// Braked is the run that the brake holds; nil for none.
func (m *MonthRuns) Braked() *RunView {
	for i := range m.Runs {
		if m.Runs[i].State == models.RunBraked {
			return &m.Runs[i]
		}
	}
	return nil
}

// Working tells whether anything of the month is ordered or runs.
func (m *MonthRuns) Working() bool {
	for i := range m.Runs {
		if m.Runs[i].Active() {
			return true
		}
	}
	return m.Active("") != nil
}

// Active is the order of a kind that has not ended, of any kind for the empty one; nil
// when there is none.
func (m *MonthRuns) Active(what models.RunOrderKind) *models.RunOrder {
	for i := range m.Orders {
		if o := &m.Orders[i]; o.Active() && (what == "" || o.What == what) {
			return o
		}
	}
	return nil
}

// Rehearsal is one order for a rehearsal. found is false when there is none.
func (s *Service) Rehearsal(ctx context.Context, id int64) (o models.RunOrder, found bool, err error) {
	o, found, err = s.o.Store.RunOrder(ctx, id)
	return o, found && o.What == models.OrderRehearsal, err
}

// RehearsedCorrections is what a rehearsal would post for signed months, account by
// account: up to limit, the largest first, and how many there are.
func (s *Service) RehearsedCorrections(ctx context.Context, o *models.RunOrder, limit int) (corrections []models.RehearsedAmount, all int64, err error) {
	return s.o.Store.RehearsedCorrections(ctx, *o, limit)
}

var orderActs = map[models.RunOrderKind]models.OperatorActionKind{models.OrderRehearsal: models.ActionRehearse, models.OrderRun: models.ActionRun}

// OrderRun orders a rehearsal or a run of a month; the same that has not ended is not
// ordered again. The error is a Refusal when it is not possible.
func (s *Service) OrderRun(ctx context.Context, staff models.Staff, period models.Period, what models.RunOrderKind, full bool) error {
	act, known := orderActs[what]
	if !known {
		return Refusal("Выберите, что сделать: проверочный расчет или расчет.")
	}
	if _, found, err := s.runnable(ctx, period); err != nil {
		return err
	} else if !found {
		return fmt.Errorf("%w: month %s", ErrUnknownAct, period)
	}
	if first := period.First(); first > s.o.Programme.Local(s.o.Now()) {
		return Refusal("Месяц начнется " + ru.Date(first) + ": рассчитывать пока нечего.")
	}
	o := models.RunOrder{Period: period, What: what, Full: full, By: PersonOf(staff)}
	_, _, err := s.o.Store.OrderRun(ctx, o, models.OperatorAction{Who: staff.Name, Role: staff.Role(), What: act, Subject: period.String()})
	return err
}

// runActs is letting a run pass the brake.
func (s *Service) runActs() []Act {
	return []Act{{
		What: models.ActionAcceptRun, Roles: []models.Role{models.RoleFinance}, Title: "Провести расчет сверх пределов", OwnPage: true,
		Prepare: s.prepareAcceptance, Apply: s.acceptRun,
	}}
}

// proposedRun is the run that persons let pass the brake.
type proposedRun struct {
	Run int64 `json:"run"`
}

func (s *Service) prepareAcceptance(ctx context.Context, subject string) (p Prepared, err error) {
	period, err := models.ParsePeriod(subject)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	m, found, err := s.MonthRuns(ctx, period)
	if err == nil && !found {
		err = fmt.Errorf("%w: month %s", ErrUnknownAct, period)
	}
	if err != nil {
		return p, err
	}
	run := m.Braked()
	if run == nil {
		return p, Refusal("Расчет этого месяца не остановлен пределами.")
	}
	p.Facts = []PreparedFact{
		{Name: "Месяц", Value: ru.MonthTitle(period), Link: MonthPath(period) + "/run"},
		{Name: "Расчет", Value: fmt.Sprintf("№ %d от %s", run.ID, ru.Moment(run.StartedAt, s.o.Programme.Zone))},
		{Name: "Документов", Value: ru.Number(int(run.Totals.Documents))},
		{Name: "Скидок", Value: ru.Off(run.Totals.Amount, "")},
		{Name: "Пакетов SMS", Value: ru.Number(int(run.Totals.Packages))},
	}
	p.Details = proposedRun{run.ID}
	for _, why := range run.Why {
		p.Preview.Notes = append(p.Preview.Notes, "Остановлен: "+why+".")
	}
	p.Preview.Notes = append(p.Preview.Notes, fmt.Sprintf("При остановке: документов %s, скидок %s, пакетов SMS %s. Месяц будет рассчитан заново по данным на момент расчета. Если скидок выйдет больше или меньше, чем здесь, не больше чем на десятую часть, они будут проведены; иначе расчет снова остановится.",
		ru.Number(int(run.Totals.Documents)), ru.Off(run.Totals.Amount, ""), ru.Number(int(run.Totals.Packages))))
	return p, nil
}

// acceptRun orders the run that may pass the brake, by two persons.
func (s *Service) acceptRun(ctx context.Context, p *models.Proposal, action models.OperatorAction) error {
	period, err := models.ParsePeriod(p.Subject)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownAct, err)
	}
	m, found, err := s.MonthRuns(ctx, period)
	if err != nil {
		return err
	}
	run := m.Braked()
	if !found || run == nil {
		return Refusal("Расчет этого месяца больше не остановлен пределами.")
	}
	proposed, err := detailsOf[proposedRun](p)
	if err != nil {
		return err
	}
	if proposed.Run != run.ID {
		return Refusal(fmt.Sprintf("С тех пор месяц рассчитан заново: остановлен другой расчет, № %d. Отклоните это предложение: нужно новое.", run.ID))
	}
	o := models.RunOrder{Period: m.Period, What: models.OrderAcceptedRun, Full: run.Kind == models.RunFull, Accepted: &run.Totals.Amount, By: action.Approval.By}
	_, _, err = s.o.Store.OrderRun(ctx, o, action)
	return err
}

// brakeWords is in Russian which limits a run exceeds.
func (s *Service) brakeWords(run models.Run, exceeded []string) []string {
	limits := s.o.Programme.LimitsFor(run)
	words := make([]string, len(exceeded))
	for i, why := range exceeded {
		switch {
		case strings.HasSuffix(why, "(largest_total)"):
			words[i] = fmt.Sprintf("скидок на %s, предел — %s", ru.Money(run.Totals.Amount.Abs(), ""), ru.Money(limits.LargestTotal, ""))
		case strings.HasSuffix(why, "(accepted_total)") && run.AcceptedAmount != nil:
			words[i] = fmt.Sprintf("утверждено %s, а вышло %s", ru.Off(*run.AcceptedAmount, ""), ru.Off(run.Totals.Amount, ""))
		case strings.HasSuffix(why, "(largest_full_share)"):
			words[i] = fmt.Sprintf("скидка 100 %% у %s из %s клиентов, предел — %d %%", ru.Number(int(run.Totals.Full)), ru.Number(int(run.Totals.Accounts)), limits.LargestFull)
		case strings.HasSuffix(why, "(largest_change)"):
			words[i] = fmt.Sprintf("скидки изменились к прошлому месяцу больше чем на %d %%", limits.LargestChange)
		default:
			words[i] = why
		}
	}
	return words
}

// BrakeWords is in Russian which limits a rehearsed run would exceed.
func (s *Service) BrakeWords(r *models.RehearsedRun) []string {
	return s.brakeWords(models.Run{Period: r.Period, Kind: r.Kind, Totals: r.Totals}, r.Brake)
}

// DifferenceWords says in Russian what has come between a rehearsal and a run.
func DifferenceWords(f *models.DifferenceFact) string {
	switch f.Kind {
	case models.DiffInvoiceCame:
		return fmt.Sprintf("пришел счет %s, редакция %d", f.InvoiceID, f.To)
	case models.DiffInvoiceRevised:
		return fmt.Sprintf("счет %s изменен: редакция %d вместо %d", f.InvoiceID, f.To, f.From)
	case models.DiffInvoiceMoved:
		return fmt.Sprintf("счет %s перешел в другой месяц", f.InvoiceID)
	case models.DiffDocumentPosted:
		return fmt.Sprintf("другой расчет провел документ по счету %s", f.InvoiceID)
	case models.DiffPercent:
		return fmt.Sprintf("скидка «%s» с %s: %d %% вместо %d %%", Words(f.Discount), ru.Date(f.Day), f.To, f.From)
	case models.DiffActivation:
		return fmt.Sprintf("клиент %d ввел код %s", f.Other, ru.Date(f.Day))
	case models.DiffPromoEnded:
		return "промо-период закончился " + ru.Date(f.Day)
	case models.DiffTerminated:
		return "клиент отключился " + ru.Date(f.Day)
	case models.DiffDecision:
		return fmt.Sprintf("решение сотрудников от %s о клиенте %d: %s", ru.Date(f.Day), f.Other, strings.ToLower(Words(models.StaffDecisionKind(f.Detail))))
	case models.DiffService:
		return fmt.Sprintf("об услуге «%s» в счете %s сотрудники решили иначе", f.Detail, f.InvoiceID)
	case models.DiffPackage:
		return fmt.Sprintf("заработано пакетов по %d SMS: %d вместо %d", f.Other, f.To, f.From)
	case models.DiffParked:
		return strings.TrimSpace("расчет не удался "+f.InvoiceID) + ": " + f.Detail
	case models.DiffWasParked:
		return "в проверочном расчете рассчитать не удалось"
	case models.DiffTerms:
		return "изменились условия программы"
	}
	return string(f.Kind)
}
