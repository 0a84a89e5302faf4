package export

import (
	"strings"

	"referral/billing/monthreport"
	"referral/models"
	"referral/web/finance"
)

// MonthReport is a signed report as tables. digest is its SHA-256 in hexadecimal digits.
func MonthReport(r *monthreport.Report, digest string) []Table {
	tables := []Table{
		signature(r, digest), totals("Всего", r.Overall), totals("По видам и процентам", r.Totals), services(r),
		elsewhere("Исправления в этот месяц", "Месяц счета", r.Into), elsewhere("Исправления в других месяцах", "Месяц проведения", r.Away),
		steps(r), received(r), breaks(r), waiting(r), register(r),
	}
	if len(r.ServiceDecisions) > 0 {
		tables = append(tables, serviceDecisions(r))
	}
	return tables
}

func serviceDecisions(r *monthreport.Report) Table {
	t := Table{Title: "Решения об услугах", Columns: headed("Услуга", "Решение", "Предложил", "Утвердил", "Когда", "Почему", "Номер")}
	for _, d := range r.ServiceDecisions {
		t.Rows = append(t.Rows, []any{d.Service, State(d.Class), d.By, d.ApprovedBy, d.DecidedAt, d.Reason, d.ID})
	}
	return t
}

func signature(r *monthreport.Report, digest string) Table {
	rows := [][]any{
		{"Месяц", r.Period.String()}, {"Подписан", r.SignedAt}, {"Утвердил", r.SignedBy},
	}
	if r.ProposedAt != nil {
		rows = append(rows, []any{"Предложил", r.ProposedBy}, []any{"Предложен", *r.ProposedAt})
	}
	rows = append(rows, []any{"Почему", r.Reason})
	if r.Override != "" {
		var objections []string
		for _, o := range r.Objections {
			objections = append(objections, finance.ObjectionWords(o))
		}
		rows = append(rows, []any{"Вопреки возражениям", strings.Join(objections, "; ")}, []any{"Основание", r.Override})
	}
	rows = append(rows, [][]any{
		{"Сверка", r.ReconciledAt}, {"Последний расчет", r.LastRun}, {"Клиентов", r.Accounts}, {"Счетов", r.Invoices}, {"Документов", r.Documents},
		{"Пакетов", r.Packages}, {"Расхождений", r.BreakCount}, {"Программа", r.Program}, {"Условия", r.TermsDigest}, {"SHA-256 отчета", digest},
	}...)
	return Table{Title: "Подпись", Columns: headed("Что", "Значение"), Rows: rows}
}

var stages = []string{"Положено", "Проведено", "Передано", "Проведено биллингом", "Списано"}

func controlColumns(first ...string) []Column {
	for _, stage := range stages {
		first = append(first, stage+", число", stage)
	}
	return headed(first...)
}

// headed is columns of a report that is never written as JSON: a signed report has a
// canonical form.
func headed(names ...string) []Column {
	columns := make([]Column, len(names))
	for i, name := range names {
		columns[i].Head = name
	}
	return columns
}

func control(row []any, c *monthreport.Control) []any {
	for _, sum := range []monthreport.Sum{c.Entitled, c.Posted, c.Published, c.Answered, c.WrittenOff} {
		row = append(row, sum.Count, sum.Amount)
	}
	return row
}

func totals(title string, list []monthreport.Total) Table {
	t := Table{Title: title, Columns: controlColumns("За что", "Процент или размер", "Валюта"), Totals: true}
	for i := range list {
		t.Rows = append(t.Rows, control([]any{State(list[i].Kind), list[i].Percent, list[i].Currency}, &list[i].Control))
	}
	return t
}

func services(r *monthreport.Report) Table {
	t := Table{Title: "По услугам", Columns: controlColumns("Услуга", "Валюта"), Totals: true}
	for i := range r.Services {
		t.Rows = append(t.Rows, control([]any{r.Services[i].Service, r.Services[i].Currency}, &r.Services[i].Control))
	}
	return t
}

func elsewhere(title, month string, list []monthreport.Elsewhere) Table {
	t := Table{Title: title, Columns: headed(month, "Документов", "Сумма", "Пакетов"), Totals: true}
	for _, e := range list {
		t.Rows = append(t.Rows, []any{e.Period.String(), e.Documents, e.Amount, e.Packages})
	}
	return t
}

func steps(r *monthreport.Report) Table {
	t := Table{Title: "Ступени в последний день", Columns: headed("За что", "Ступень", "Процент", "Клиентов")}
	for _, s := range r.Steps {
		t.Rows = append(t.Rows, []any{State(s.Kind), s.Step, s.Percent, s.Accounts})
	}
	return t
}

func received(r *monthreport.Report) Table {
	return Table{Title: "Положено и получено", Columns: headed("Что", "Клиентов", "Сумма"), Rows: [][]any{
		{"Положено, но не получено", r.Lacking.Count, r.Lacking.Amount}, {"Получено, но не положено", r.Excess.Count, r.Excess.Amount},
	}}
}

func breaks(r *monthreport.Report) Table {
	t := Table{Title: "Расхождения", Columns: headed("Что не сходится", "Клиент", "Счет", "Документ", "Должно быть", "Есть", "Подробно")}
	for _, b := range r.Breaks {
		t.Rows = append(t.Rows, []any{finance.BreakWords(b.Kind).What, ID(b.AccountID), b.InvoiceID, b.DocumentID, b.Expected, b.Actual, b.Detail})
	}
	return t
}

func waiting(r *monthreport.Report) Table {
	t := Table{Title: "Что ждет", Columns: headed("Что", "О чем", "Число", "Сумма")}
	if r.Waiting.Stale > 0 {
		t.Rows = append(t.Rows, []any{"Клиенты с поздними данными", "", r.Waiting.Stale, models.Money(0)})
	}
	for _, h := range r.Waiting.Held {
		t.Rows = append(t.Rows, []any{"Услуга без правила", h.Service, h.Lines, h.Amount})
	}
	for _, p := range r.Waiting.Parked {
		t.Rows = append(t.Rows, []any{"Не рассчитано", strings.TrimSpace("клиент " + models.Grouped(p.AccountID) + " " + p.InvoiceID + ": " + p.Error), int64(1), models.Money(0)})
	}
	for _, p := range r.Waiting.Packages {
		t.Rows = append(t.Rows, []any{"Пакеты SMS месяца без счетов", p.Period.String(), p.Packages, models.Money(0)})
	}
	return t
}

func register(r *monthreport.Report) Table {
	g := &r.Register
	return Table{Title: "Реестр месяца", Columns: headed("Что", "Число", "Сумма или SMS", "SHA-256 списка"), Rows: [][]any{
		{"Документы", g.Documents, g.Amount, g.DocumentsSHA256}, {"Пакеты SMS", g.Packages, g.SMS, g.PackagesSHA256},
	}}
}
