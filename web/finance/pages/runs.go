package pages

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
)

// refreshEvery is how often, in seconds, a browser asks again for a page that shows work
// under way.
const refreshEvery = "5"

type runView struct {
	finance.MonthRuns

	Path      string
	MayOrder  bool
	Rehearsal *rehearsalView // the newest one; nil for none
	Reason    string         // of a proposal, as entered
	Wrong     string         // why it is not proposed or ordered
}

// runs is what was run and ordered of a month, with the forms to order more. While
// something is under way the browser asks again for the page.
func (p *Pages) runs(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.showRuns(w, r, staff, http.StatusOK, runView{})
}

func (p *Pages) showRuns(w http.ResponseWriter, r *http.Request, staff models.Staff, status int, v runView) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	var found bool
	if v.MonthRuns, found, err = p.o.Service.MonthRuns(r.Context(), period); err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	v.Path, v.MayOrder = finance.MonthPath(period)+"/run", staff.HasAny(financeRole)
	if v.Last != nil {
		if v.Rehearsal, err = p.rehearsalOf(r.Context(), v.Last, correctionsShown); err != nil {
			return err
		}
	}
	if v.Working() && v.Wrong == "" {
		w.Header().Set("Refresh", refreshEvery)
	}
	return p.render(w, r, status, "run", frame{Title: "Расчет: " + ru.Month(period), Here: pathMonths, Month: &v.PeriodInfo, Body: &v})
}

// lasting is how long something has lasted, to the minute.
func lasting(d time.Duration) string { return ru.Wait(max(d.Truncate(time.Minute), time.Minute)) }

// orderRun orders what the button that was pressed says. Pressed twice, or sent again by
// the browser, it orders the same.
func (p *Pages) orderRun(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.atRuns(w, r, staff, func(period models.Period, _ *runView) (string, error) {
		what := models.RunOrderKind(r.PostForm.Get("what"))
		return finance.MonthPath(period) + "/run", p.o.Service.OrderRun(r.Context(), staff, period, what, r.PostForm.Get("full") != "")
	})
}

// proposeAcceptance proposes to let the braked run of a month pass.
func (p *Pages) proposeAcceptance(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	return p.atRuns(w, r, staff, func(period models.Period, v *runView) (string, error) {
		v.Reason = r.PostForm.Get("reason")
		proposal, err := p.o.Service.Submit(r.Context(), staff, finance.Request{What: models.ActionAcceptRun, Subject: period.String(), Reason: v.Reason})
		if err != nil {
			return "", err
		}
		return proposalPath(proposal.ID), nil
	})
}

// atRuns does what a form on the page of a month's runs asks for, and leads on.
func (p *Pages) atRuns(w http.ResponseWriter, r *http.Request, staff models.Staff, do func(models.Period, *runView) (next string, err error)) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	if err := readForm(r); err != nil {
		return err
	}
	var v runView
	next, err := do(period, &v)
	if text, ok := finance.Obstacle(err); ok {
		v.Wrong = text
		return p.showRuns(w, r, staff, http.StatusConflict, v)
	}
	if err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
	return err
}

// rehearsalView is a rehearsal as the pages show it.
type rehearsalView struct {
	*models.RunOrder

	Path        string
	Idle        finance.Idle
	Runs        []rehearsedRun
	Compared    []comparedRun            // the month's own first
	Corrections []models.RehearsedAmount // of signed months, the largest first
	Corrected   int64                    // how many there are
}

// correctionsShown is how many corrections a page shows, and correctionsExported how many
// a file has.
const (
	correctionsShown    = 100
	correctionsExported = 100_000
)

// comparedRun is how a run differs from its rehearsal.
type comparedRun struct {
	*models.RunComparison

	Differs []differenceRow
}

type rehearsedRun struct {
	models.RehearsedRun
	Why []string // which limits it exceeds
}

type differenceRow struct {
	models.AccountOutcomes
	Facts []factRow
}

type factRow struct {
	Words string
	From  *models.Provenance
}

func (p *Pages) rehearsalOf(ctx context.Context, o *models.RunOrder, corrections int) (*rehearsalView, error) {
	v := rehearsalView{RunOrder: o, Path: pathRehearsals + strconv.FormatInt(o.ID, 10)}
	if o.Rehearsal == nil {
		return &v, nil
	}
	for _, run := range append([]models.RehearsedRun{o.Rehearsal.Run}, o.Rehearsal.Carried...) {
		v.Runs = append(v.Runs, rehearsedRun{run, p.o.Service.BrakeWords(&run)})
	}
	if o.Comparison != nil {
		v.Compared = append(v.Compared, comparedOf(o.Comparison))
	}
	for i := range o.Corrected {
		v.Compared = append(v.Compared, comparedOf(&o.Corrected[i]))
	}
	var err error
	v.Corrections, v.Corrected, err = p.o.Service.RehearsedCorrections(ctx, o, corrections)
	return &v, err
}

func comparedOf(c *models.RunComparison) comparedRun {
	v := comparedRun{RunComparison: c}
	for i := range c.Named {
		row := differenceRow{AccountOutcomes: c.Named[i]}
		for j := range row.AccountOutcomes.Facts {
			fact := &row.AccountOutcomes.Facts[j]
			row.Facts = append(row.Facts, factRow{finance.DifferenceWords(fact), fact.Provenance})
		}
		v.Differs = append(v.Differs, row)
	}
	return v
}

// rehearsalAt is the rehearsal that the path names.
func (p *Pages) rehearsalAt(r *http.Request) (o models.RunOrder, err error) {
	id, err := strconv.ParseInt(r.PathValue("order"), 10, 64)
	if err != nil {
		return o, errNotFound
	}
	o, found, err := p.o.Service.Rehearsal(r.Context(), id)
	if err == nil && !found {
		err = errNotFound
	}
	return o, err
}

// rehearsal is one rehearsal, with how the run that followed differs.
func (p *Pages) rehearsal(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	o, err := p.rehearsalAt(r)
	if err != nil {
		return err
	}
	v, err := p.rehearsalOf(r.Context(), &o, correctionsShown)
	if err != nil {
		return err
	}
	if v.Idle, err = p.o.Service.Idle(r.Context(), o); err != nil {
		return err
	}
	month := models.PeriodInfo{Period: o.Period, StartedAt: o.At}
	if month.Shadow, err = p.o.Service.SettledBeside(r.Context(), o.Period); err != nil {
		return err
	}
	if o.Active() {
		w.Header().Set("Refresh", refreshEvery)
	}
	return p.render(w, r, http.StatusOK, "rehearsal", frame{Title: "Проверочный расчет: " + ru.Month(o.Period), Here: pathMonths, Month: &month, Body: v})
}

// exportRehearsal is the largest documents of a rehearsal and the accounts for which the
// run differs, as a file.
func (p *Pages) exportRehearsal(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	o, err := p.rehearsalAt(r)
	if err == nil && (!knownFormat(r) || o.Rehearsal == nil) {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	v, err := p.rehearsalOf(r.Context(), &o, correctionsExported)
	if err != nil {
		return err
	}
	shadow, err := p.o.Service.SettledBeside(r.Context(), o.Period)
	if err != nil {
		return err
	}
	return p.writeTables(w, r, shadowName(fmt.Sprintf("rehearsal-%s-%d", o.Period, o.ID), shadow), shadowTables(v.tables(), shadow))
}

func (v *rehearsalView) tables() []export.Table {
	largest := export.Table{Title: "Самые большие документы", Key: "largest", Columns: []export.Column{
		{Head: "Счет", Key: "invoice_id"}, {Head: "Клиент", Key: "account_id"}, {Head: "Месяц", Key: "period"}, {Head: "Причина", Key: "reason"}, {Head: "Валюта", Key: "currency"}, {Head: "Сумма", Key: "amount_minor"},
	}, Totals: true}
	for i := range v.Rehearsal.Largest {
		d := &v.Rehearsal.Largest[i]
		largest.Rows = append(largest.Rows, []any{d.InvoiceID, export.ID(d.AccountID), d.Period.String(), export.State(d.Reason), d.Currency, d.Amount})
	}
	tables := []export.Table{largest}
	if len(v.Corrections) > 0 {
		corrections := export.Table{Title: "Исправления", Key: "corrections", Columns: []export.Column{
			{Head: "Клиент", Key: "account_id"}, {Head: "Месяц", Key: "period"}, {Head: "Документов", Key: "documents"}, {Head: "Сумма", Key: "amount_minor"}, {Head: "Пакетов SMS", Key: "packages"},
			{Head: "Не рассчитано", Key: "parked"}, {Head: "Причины", Key: "reasons"},
		}, Totals: true}
		for i := range v.Corrections {
			c := &v.Corrections[i]
			var reasons []string
			for _, reason := range c.Reasons {
				reasons = append(reasons, finance.Words(reason))
			}
			corrections.Rows = append(corrections.Rows, []any{export.ID(c.AccountID), c.Period.String(), c.Documents, c.Amount, c.Packages, c.Parked, strings.Join(reasons, ", ")})
		}
		tables = append(tables, corrections)
	}
	if len(v.Compared) == 0 {
		return tables
	}
	differs := export.Table{Title: "Отличия расчета", Key: "differs", Columns: []export.Column{
		{Head: "Клиент", Key: "account_id"}, {Head: "Исправление за", Key: "corrected_period"}, {Head: "В проверочном", Key: "rehearsed_minor"}, {Head: "Пакетов SMS в проверочном", Key: "rehearsed_packages"}, {Head: "Проведено", Key: "posted_minor"}, {Head: "Пакетов SMS проведено", Key: "posted_packages"}, {Head: "Что изменилось", Key: "facts"},
	}, Totals: true,
	}
	for i := range v.Compared {
		differs.Rows = append(differs.Rows, v.Compared[i].rows()...)
	}
	return append(tables, differs)
}

// rows is the differences as rows of a file.
func (c *comparedRun) rows() (rows [][]any) {
	month := ""
	if c.Period != 0 {
		month = c.Period.String()
	}
	for _, row := range c.Differs {
		var facts []string
		for _, fact := range row.Facts {
			facts = append(facts, fact.Words)
		}
		rows = append(rows, []any{
			export.ID(row.AccountID), month, row.Rehearsed.Amount, row.Rehearsed.Packages, row.Posted.Amount, row.Posted.Packages,
			cmp.Or(strings.Join(facts, "; "), unexplained),
		})
	}
	return rows
}

const unexplained = "ничем не объясняется"
