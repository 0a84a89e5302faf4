package finance

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"referral/billing"
	"referral/billing/monthreport"
	"referral/internal/ru"
	"referral/models"
)

// monthStore is the methods of the storage behind the page of a month and its signature.
type monthStore interface {
	SomeMonths(ctx context.Context, periods ...models.Period) ([]models.MonthOverview, error)
	LastReconciliation(ctx context.Context, p models.Period, skip, limit int) (report models.ReconciliationReport, found bool, err error)
	SignedReports(ctx context.Context, p models.Period) ([]models.SignedReport, error)
	Corrections(ctx context.Context, p models.Period, after models.RegisterCursor, limit int) ([]models.RegisterEntry, error)
	ReopenPeriod(ctx context.Context, p models.Period, by models.OperatorAction) error
}

// Month is a billing period with what its last reconciliation found.
type Month struct {
	models.MonthOverview
	Before  *models.MonthOverview        // the month before; nil when it is not known
	Checked *models.ReconciliationReport // nil: not reconciled yet
	Change  *Change                      // against the month before; nil when one of them has not been reconciled
	Booked  *Booked                      // what an older system has given in the month; nil for none
}

// Fresh tells whether the month has been reconciled since it was run last.
func (m *Month) Fresh() bool {
	return m.Checked != nil && (m.LastRun == nil || !m.LastRun.FinishedAt.After(m.Checked.CheckedAt))
}

// CauseInvoices is the cause of a change that no other explains: invoices have grown,
// shrunk or come.
const CauseInvoices = "invoices"

// Change is by how much the discounts that the facts give differ from those of the month
// before, and why. Causes and Invoices come to the difference of Now and Before.
type Change struct {
	Before, Now models.Money
	Causes      []models.ChangeCause // the largest first
	Invoices    models.Money         // what no cause explains: the invoices have changed
}

// Month is one billing period, with up to limit breaks behind the first skip. found is
// false when it is not known. Its cost does not depend on the number of other periods.
func (s *Service) Month(ctx context.Context, period models.Period, skip, limit int) (m Month, found bool, err error) {
	months, err := s.o.Store.SomeMonths(ctx, period, period.Previous())
	if err != nil {
		return m, false, err
	}
	for i := range months {
		switch months[i].Period {
		case period:
			m.MonthOverview, found = months[i], true
		default:
			m.Before = &months[i]
		}
	}
	if !found {
		return m, false, nil
	}
	if m.Booked, err = s.booked(ctx, period); err != nil {
		return m, true, err
	}
	report, checked, err := s.o.Store.LastReconciliation(ctx, period, skip, limit)
	if err != nil || !checked {
		return m, true, err
	}
	m.Checked = &report
	before, checked, err := s.o.Store.LastReconciliation(ctx, period.Previous(), 0, 0)
	if checked && m.Before != nil {
		m.Change = changeOf(&before, &report)
	}
	return m, true, err
}

// Mode is how a month was settled.
type Mode string

// The modes.
const (
	ModePublished Mode = "published"
	ModeShadow    Mode = "shadow" // beside an older system
)

// ModeOf is the mode of a month.
func ModeOf(shadow bool) Mode {
	if shadow {
		return ModeShadow
	}
	return ModePublished
}

// SettledBeside tells whether a month was settled in shadow mode, beside an older system.
func (s *Service) SettledBeside(ctx context.Context, period models.Period) (bool, error) {
	months, err := s.o.Store.SomeMonths(ctx, period)
	return len(months) > 0 && months[0].Shadow, err
}

func changeOf(before, now *models.ReconciliationReport) *Change {
	c := &Change{Before: entitled(before), Now: entitled(now), Causes: now.Causes}
	c.Invoices = c.Now.Add(-c.Before)
	for _, cause := range c.Causes {
		c.Invoices = c.Invoices.Add(-cause.Amount)
	}
	return c
}

func entitled(r *models.ReconciliationReport) (sum models.Money) {
	for _, t := range r.Overall {
		sum = sum.Add(t.Entitled.Amount) // of packages it is 0
	}
	return sum
}

// Signed is a report that was signed, with the others under the same month.
type Signed struct {
	models.SignedReport
	Report *monthreport.Report
	All    []int64 // signatures of the month, the newest first
}

// SignedReport is the report of a signature of a month, or of the newest for 0. found is
// false when there is none.
func (s *Service) SignedReport(ctx context.Context, period models.Period, signature int64) (r Signed, found bool, err error) {
	reports, err := s.o.Store.SignedReports(ctx, period)
	if err != nil {
		return r, false, err
	}
	for i := range reports {
		r.All = append(r.All, reports[i].Signature)
	}
	i := slices.IndexFunc(reports, func(kept models.SignedReport) bool { return signature == 0 || kept.Signature == signature })
	if i < 0 {
		return r, false, nil
	}
	r.SignedReport = reports[i]
	r.Report, err = monthreport.Read(reports[i].Canonical)
	return r, true, err
}

// Corrections is a page of the documents that were posted for a signed month after its
// newest signature. next is the cursor of the page behind it, nil on the last one.
func (s *Service) Corrections(ctx context.Context, p models.Period, after models.RegisterCursor, limit int) (page []models.RegisterEntry, next *models.RegisterCursor, err error) {
	page, err = s.o.Store.Corrections(ctx, p, after, limit+1)
	if err != nil || len(page) <= limit {
		return page, nil, err
	}
	page = page[:limit]
	cursor := page[limit-1].Cursor()
	return page, &cursor, nil
}

// Checks is what has to be true of a month that is signed.
type Checks struct {
	Month
	List     []Check
	Red      bool             // something stands against signing
	Proposal *models.Proposal // to sign the month, or to take the signature back, that waits for a decision; nil for none
}

// Check is one of them.
type Check struct {
	What string
	OK   bool
	Now  string // how it stands
	Do   string // what to do about it
	Link string // where; empty: nowhere on these pages
	// Objection is what is recorded when a month is signed all the same. It is empty for
	// what signing itself finds, and for what nobody may override.
	Objection string
}

// Objections is what stands against signing that signing itself does not find.
func (c *Checks) Objections() []string {
	var list []string
	for i := range c.List {
		if !c.List[i].OK && c.List[i].Objection != "" {
			list = append(list, c.List[i].Objection)
		}
	}
	return list
}

// red is what stands against signing.
func (c *Checks) red() []string {
	var list []string
	for i := range c.List {
		if !c.List[i].OK {
			list = append(list, c.List[i].What)
		}
	}
	return list
}

// Checks is what has to be true of a month that is signed. found is false when the month
// is not known.
func (s *Service) Checks(ctx context.Context, period models.Period) (c Checks, found bool, err error) {
	c.Month, found, err = s.Month(ctx, period, 0, 0)
	if err != nil || !found {
		return c, found, err
	}
	all, err := s.o.Store.Months(ctx)
	if err != nil {
		return c, true, err
	}
	packages, err := s.o.Store.PendingPackages(ctx, period.First())
	if err != nil {
		return c, true, err
	}
	var open []models.Period
	for i := range all {
		if all[i].Period < period && all[i].State != models.PeriodClosed {
			open = append(open, all[i].Period)
		}
	}
	slices.Sort(open)
	var waiting int64
	for _, n := range packages {
		waiting += n
	}
	proposals, err := s.o.Store.OpenProposals(ctx, openLimit)
	if err != nil {
		return c, true, err
	}
	for i := range proposals {
		if p := &proposals[i]; p.Subject == period.String() && (p.What == models.ActionClose || p.What == models.ActionReopen) {
			c.Proposal = p
		}
	}
	c.List = checksOf(&c.Month, s.o.Programme.PeriodOver(period, s.o.Now()), open, waiting)
	c.Red = len(c.red()) > 0
	return c, true, nil
}

// unfinished is the breaks of documents that billing has still to book, or finance to
// settle.
var unfinished = []billing.BreakKind{billing.BreakRejected, billing.BreakUnanswered, billing.BreakUnpublished, billing.BreakIncomplete}

// What is checked, where signing itself finds it again.
const (
	checkOver    = "Месяц закончился"
	checkBrake   = "Расчет не остановлен пределами"
	checkStale   = "Поздних данных нет"
	checkTies    = "Все сходится"
	checkParked  = "Все рассчитано"
	checkHeld    = "Для всех услуг есть правило"
	checkPackets = "Пакеты прежних месяцев отправлены"
	checkEarlier = "Прежние месяцы подписаны"
	checkBooked  = "Все, что дала прежняя система, проведено"
)

func checksOf(m *Month, over bool, open []models.Period, packages int64) []Check {
	const queue = BasePath + "/queue"
	last := m.LastRun
	running := last != nil && (last.State == models.RunRehearsing || last.State == models.RunPosting)
	checked := cmp.Or(m.Checked, &models.ReconciliationReport{})
	none := "" // unless nothing is known
	if m.Checked == nil {
		none = "сверки еще не было"
	}
	waits := checked.OnTheWay
	for _, kind := range unfinished {
		waits += checked.Kinds[string(kind)]
	}
	list := []Check{
		{What: checkOver, OK: over, Do: "дождаться конца месяца"},
		{What: "Расчет проведен", OK: m.State != models.PeriodOpen && !running, Do: "дождаться ночного расчета или провести его", Link: MonthPath(m.Period) + "/run"},
		{What: checkBrake, OK: !m.Braked, Do: "проверить суммы и решить", Link: MonthPath(m.Period) + "/run"},
		{What: checkParked, OK: m.Parked == 0, Now: counted(m.Parked, entries), Do: "устранить причины", Link: queue, Objection: objection(m.Parked, "parked accounts and invoices")},
		{What: checkStale, OK: m.Stale == 0, Now: counted(m.Stale, clients), Do: "дождаться ближайшей ночи или рассчитать", Link: MonthPath(m.Period) + "/run"},
		{What: "Сверка проведена после расчета", OK: m.Fresh(), Now: none, Do: "дождаться ночной сверки; при подписании месяц сверяется еще раз"},
		{What: checkTies, OK: m.Checked != nil && checked.Wrong == 0, Now: cmp.Or(counted(checked.Wrong, breaks), none), Do: "разобрать расхождения", Link: MonthPath(m.Period) + "#breaks"},
		{What: "Биллинг ответил по всем документам", OK: m.Checked != nil && waits == 0, Now: cmp.Or(counted(waits, documents), none), Do: "отклоненные передать повторно или списать, об остальных узнать в биллинге", Link: queue},
		{What: checkHeld, OK: m.Held.Count == 0, Now: counted(m.Held.Count, lines), Do: "решить об этих услугах", Link: queue, Objection: objection(m.Held.Count, "lines of services that the terms do not name")},
		{What: checkPackets, OK: packages == 0, Now: counted(packages, packets), Do: "рассчитать эти месяцы", Link: queue, Objection: objection(packages, "packages of earlier months that no invoice has named")},
		{What: checkEarlier, OK: len(open) == 0, Now: monthNames(open), Do: "сначала подписать их", Link: BasePath},
	}
	if b := m.Booked; b != nil { // signing finds it again
		list = append(list, Check{What: checkBooked, OK: b.NotBooked == 0, Now: counted(b.NotBooked, lines), Do: "исправить файл и закрыть месяц с ним командой", Link: MonthPath(m.Period) + "#older"})
	}
	return list
}

// What the checks count.
var (
	entries   = ru.Noun{One: "запись", Few: "записи", Many: "записей"}
	clients   = ru.Noun{One: "клиент", Few: "клиента", Many: "клиентов"}
	breaks    = ru.Noun{One: "расхождение", Few: "расхождения", Many: "расхождений"}
	documents = ru.Noun{One: "документ", Few: "документа", Many: "документов"}
	lines     = ru.Noun{One: "строка", Few: "строки", Many: "строк"}
	packets   = ru.Noun{One: "пакет", Few: "пакета", Many: "пакетов"}
)

func counted(n int64, noun ru.Noun) string {
	if n == 0 {
		return ""
	}
	return noun.Count(int(n))
}

func objection(n int64, what string) string {
	if n == 0 {
		return ""
	}
	return what + ": " + models.Grouped(n)
}

// namedMonths is how many months a check names.
const namedMonths = 6

func monthNames(months []models.Period) string {
	var names []string
	for _, p := range months[:min(len(months), namedMonths)] {
		names = append(names, ru.Month(p))
	}
	text := strings.Join(names, ", ")
	if rest := len(months) - len(names); rest > 0 {
		text += " и еще " + ru.Number(rest)
	}
	return text
}

// MonthPath is the page of a month.
func MonthPath(p models.Period) string { return BasePath + "/months/" + p.String() }
