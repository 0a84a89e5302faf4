package pages

import (
	"net/http"
	"strings"

	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
)

var stages = []export.Column{
	{Head: "Положено, число", Key: "entitled_count"}, {Head: "Положено", Key: "entitled_minor"}, {Head: "Проведено, число", Key: "posted_count"}, {Head: "Проведено", Key: "posted_minor"},
	{Head: "Передано, число", Key: "published_count"}, {Head: "Передано", Key: "published_minor"}, {Head: "Проведено биллингом, число", Key: "answered_count"},
	{Head: "Проведено биллингом", Key: "answered_minor"}, {Head: "Списано, число", Key: "written_off_count"}, {Head: "Списано", Key: "written_off_minor"},
}

func stagesOf(row []any, c *models.Control) []any {
	for _, sum := range []models.CountedAmount{c.Entitled, c.Posted, c.Published, c.Answered, c.WrittenOff} {
		row = append(row, sum.Count, sum.Amount)
	}
	return row
}

// exportMonth is the totals of a month, why they have changed, and how clients stand on the
// ladder, by the last reconciliation, as a file.
func (p *Pages) exportMonth(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	month, found, err := p.o.Service.Month(r.Context(), period, 0, 0)
	if err == nil && (!found || month.Checked == nil || !knownFormat(r)) {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	totals := export.Table{Title: "Итоги", Key: "totals", Columns: append([]export.Column{{Head: "За что", Key: "kind"}, {Head: "Процент или размер", Key: "percent"}, {Head: "Валюта", Key: "currency"}}, stages...)}
	for _, list := range [][]models.ControlTotal{month.Checked.Totals, month.Checked.Overall} {
		for i := range list {
			totals.Rows = append(totals.Rows, stagesOf([]any{export.State(list[i].Kind), list[i].Percent, list[i].Currency}, &list[i].Control))
		}
	}
	services := export.Table{Title: "По услугам", Key: "services", Columns: append([]export.Column{{Head: "Услуга", Key: "service"}, {Head: "Валюта", Key: "currency"}}, stages...)}
	for i := range month.Checked.Services {
		s := &month.Checked.Services[i]
		services.Rows = append(services.Rows, stagesOf([]any{s.Service, s.Currency}, &s.Control))
	}
	change := export.Table{Title: "Что изменилось", Key: "change", Columns: []export.Column{{Head: "Причина", Key: "cause"}, {Head: "Клиентов", Key: "accounts"}, {Head: "Изменение", Key: "amount_minor"}}, Totals: true}
	if c := month.Change; c != nil {
		change.Rows = append(change.Rows, []any{export.State(finance.CauseInvoices), nil, c.Invoices})
		for _, cause := range c.Causes {
			change.Rows = append(change.Rows, []any{export.State(cause.Cause), cause.Accounts, cause.Amount})
		}
	}
	steps := export.Table{Title: "Клиенты по ступеням", Key: "steps", Columns: []export.Column{{Head: "За что", Key: "kind"}, {Head: "Ступень", Key: "step"}, {Head: "Процент", Key: "percent"}, {Head: "Клиентов", Key: "accounts"}}}
	for _, s := range month.Checked.Steps {
		steps.Rows = append(steps.Rows, []any{export.State(s.Kind), step(s.Step), s.Percent, s.Accounts})
	}
	return p.writeTables(w, r, shadowName("month-"+period.String(), month.Shadow), shadowTables([]export.Table{totals, services, change, steps}, month.Shadow))
}

// exportRuns is the last runs of a month, and who ordered them, as a file.
func (p *Pages) exportRuns(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	period, err := periodOf(r)
	if err != nil {
		return err
	}
	month, found, err := p.o.Service.MonthRuns(r.Context(), period)
	if err == nil && (!found || !knownFormat(r)) {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	runs := export.Table{Title: "Расчеты месяца", Key: "runs", Columns: []export.Column{
		{Head: "№", Key: "run_id"}, {Head: "Начат", Key: "started_at"}, {Head: "Окончен", Key: "finished_at"}, {Head: "Что", Key: "kind"}, {Head: "Состояние", Key: "state"},
		{Head: "Документов", Key: "documents"}, {Head: "Скидок", Key: "amount_minor"}, {Head: "Пакетов SMS", Key: "packages"}, {Head: "Не рассчитано", Key: "parked"},
		{Head: "Сверх пределов", Key: "brake"},
	}}
	for i := range month.Runs {
		run := &month.Runs[i]
		runs.Rows = append(runs.Rows, []any{
			export.ID(run.ID), run.StartedAt, run.FinishedAt, export.State(run.Kind), export.State(run.State), run.Totals.Documents, run.Totals.Amount, run.Totals.Packages, run.Totals.Parked,
			strings.Join(run.Why, "; "),
		})
	}
	orders := export.Table{Title: "Кто заказывал", Key: "orders", Columns: []export.Column{
		{Head: "№", Key: "order_id"}, {Head: "Когда", Key: "at"}, {Head: "Кто", Key: "by"}, {Head: "Что", Key: "what"}, {Head: "Состояние", Key: "state"}, {Head: "Ошибка", Key: "error"},
	}}
	for i := range month.Orders {
		o := &month.Orders[i]
		orders.Rows = append(orders.Rows, []any{export.ID(o.ID), o.At, o.By.Name, export.State(o.What), export.State(o.State), o.Error})
	}
	return p.writeTables(w, r, shadowName("runs-"+period.String(), month.Shadow), shadowTables([]export.Table{runs, orders}, month.Shadow))
}

// exportInvoice is the lines of an invoice, the days of their discounts, and its documents,
// as a file.
func (p *Pages) exportInvoice(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	e, found, err := p.o.Service.Invoice(r.Context(), r.PathValue("invoice"))
	if err == nil && (!found || !knownFormat(r)) {
		err = errNotFound
	}
	if err != nil {
		return err
	}
	lines := export.Table{Title: "Строки", Key: "lines", Columns: []export.Column{
		{Head: "Строка", Key: "line_id"}, {Head: "Услуга", Key: "service"}, {Head: "С", Key: "from"}, {Head: "До", Key: "to"}, {Head: "Валюта", Key: "currency"}, {Head: "Начислено", Key: "amount_minor"},
		{Head: "Скидка по расчету", Key: "wanted_minor"}, {Head: "Проведено", Key: "posted_minor"}, {Head: "Будет проведено", Key: "difference_minor"},
	}, Totals: true}
	days := export.Table{Title: "Дни со скидкой", Key: "days", Columns: []export.Column{
		{Head: "Строка", Key: "line_id"}, {Head: "С", Key: "from"}, {Head: "До", Key: "to"}, {Head: "Новый клиент", Key: "invitee_percent"}, {Head: "За приведенных", Key: "inviter_percent"},
		{Head: "По договоренности", Key: "agreed_percent"}, {Head: "Скидка", Key: "percent"},
	}}
	for i := range e.ByLine {
		l := &e.ByLine[i]
		lines.Rows = append(lines.Rows, []any{l.LineID, l.Service, day(l.From), day(l.To), e.Currency, l.Amount, l.Wanted, l.Posted, l.Difference})
		for _, s := range l.Segments {
			days.Rows = append(days.Rows, []any{l.LineID, day(s.From), day(s.To), s.Invitee, s.Inviter, s.Agreed, s.Percent})
		}
	}
	documents := export.Table{Title: "Документы", Key: "documents", Columns: []export.Column{
		{Head: "№", Key: "sequence"}, {Head: "Документ", Key: "adjustment_id"}, {Head: "Причина", Key: "reason"}, {Head: "Месяц проведения", Key: "posting_period"}, {Head: "Валюта", Key: "currency"},
		{Head: "Сумма", Key: "amount_minor"}, {Head: "Состояние", Key: "state"}, {Head: "Ответ биллинга", Key: "answered_minor"}, {Head: "Когда", Key: "answered_at"},
	}, Totals: true}
	for i := range e.Documents {
		d := &e.Documents[i]
		row := []any{d.Sequence, d.ID.String(), export.State(d.Reason), d.PostingPeriod.String(), e.Currency, d.Amount, export.State(d.State), nil, nil}
		if d.Answer != nil {
			row[7], row[8] = d.Answer.Amount, d.Answer.At
		}
		documents.Rows = append(documents.Rows, row)
	}
	return p.writeTables(w, r, "invoice-"+e.InvoiceID, []export.Table{lines, days, documents})
}

// day is a day as a value of a table; nil when it is not known.
func day(d models.Date) any {
	if d == 0 {
		return nil
	}
	return d.String()
}
