package pages

import (
	"cmp"
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
	Waits     string         // how long an order waits that no scheduler takes up
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
		v.Rehearsal = p.rehearsalOf(v.Last)
	}
	if v.Idle > 0 {
		v.Waits = lasting(v.Idle)
	}
	if v.Working() && v.Wrong == "" {
		w.Header().Set("Refresh", refreshEvery)
	}
	return p.render(w, r, status, "run", frame{Title: "Расчет: " + ru.Month(period), Here: pathMonths, Body: &v})
}

// lasting is a duration to the minute.
func lasting(d time.Duration) string {
	if d < time.Hour {
		return ru.Minutes.Count(max(1, int(d.Minutes())))
	}
	return ru.Hours.Count(int(d.Hours()))
}

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

	Path    string
	Runs    []rehearsedRun
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

func (p *Pages) rehearsalOf(o *models.RunOrder) *rehearsalView {
	v := rehearsalView{RunOrder: o, Path: pathRehearsals + strconv.FormatInt(o.ID, 10)}
	if o.Rehearsal == nil {
		return &v
	}
	for _, run := range append([]models.RehearsedRun{o.Rehearsal.Run}, o.Rehearsal.Carried...) {
		v.Runs = append(v.Runs, rehearsedRun{run, p.o.Service.BrakeWords(&run)})
	}
	if o.Comparison == nil {
		return &v
	}
	for i := range o.Comparison.Named {
		row := differenceRow{AccountOutcomes: o.Comparison.Named[i]}
		for j := range row.AccountOutcomes.Facts {
			fact := &row.AccountOutcomes.Facts[j]
			row.Facts = append(row.Facts, factRow{finance.DifferenceWords(fact), fact.Provenance})
		}
		v.Differs = append(v.Differs, row)
	}
	return &v
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
	if o.Active() {
		w.Header().Set("Refresh", refreshEvery)
	}
	return p.render(w, r, http.StatusOK, "rehearsal", frame{Title: "Проверочный расчет: " + ru.Month(o.Period), Here: pathMonths, Body: p.rehearsalOf(&o)})
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
	return p.writeTables(w, r, fmt.Sprintf("rehearsal-%s-%d", o.Period, o.ID), p.rehearsalOf(&o).tables())
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
	if v.Comparison == nil {
		return tables
	}
	differs := export.Table{Title: "Отличия расчета", Key: "differs", Columns: []export.Column{
		{Head: "Клиент", Key: "account_id"}, {Head: "В проверочном", Key: "rehearsed_minor"}, {Head: "Пакетов SMS в проверочном", Key: "rehearsed_packages"}, {Head: "Проведено", Key: "posted_minor"}, {Head: "Пакетов SMS проведено", Key: "posted_packages"}, {Head: "Что изменилось", Key: "facts"},
	}, Totals: true,
	}
	for _, row := range v.Differs {
		var facts []string
		for _, fact := range row.Facts {
			facts = append(facts, fact.Words)
		}
		differs.Rows = append(differs.Rows, []any{
			export.ID(row.AccountID), row.Rehearsed.Amount, row.Rehearsed.Packages, row.Posted.Amount, row.Posted.Packages,
			cmp.Or(strings.Join(facts, "; "), unexplained),
		})
	}
	return append(tables, differs)
}

const unexplained = "ничем не объясняется"
