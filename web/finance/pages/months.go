package pages

import (
	"context"
	"net/http"
	"slices"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
	"referral/web/finance/export"
)

// start is the first page: what a person of support needs is the search.
func (p *Pages) start(w http.ResponseWriter, r *http.Request, staff models.Staff) error {
	if slices.ContainsFunc(staff.Roles, func(role models.Role) bool { return slices.Contains(moneyRole, role) }) {
		return p.months(w, r, staff)
	}
	http.Redirect(w, r, pathClients, http.StatusSeeOther)
	return nil
}

// monthRow is a month with its state and what waits in it.
type monthRow struct {
	models.MonthOverview
	State   any      // of its last run or of the period, whichever matters more
	Waiting []string // what a person has to look at before the month is signed
}

type monthsView struct {
	Rows     []monthRow
	Packages []pendingMonth // of months that no invoice has named
}

func (p *Pages) months(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return err
	}
	packages, err := p.o.Service.PendingPackages(r.Context())
	if err != nil {
		return err
	}
	v := monthsView{Rows: make([]monthRow, len(months)), Packages: pendingMonths(packages)}
	for i := range months {
		v.Rows[i] = monthRow{MonthOverview: months[i], State: finance.MonthState(&months[i]), Waiting: waitingIn(&months[i])}
	}
	return p.render(w, r, http.StatusOK, "months", frame{Title: "Месяцы", Here: pathMonths, Body: v})
}

var (
	latecomers = ru.Noun{One: "клиента", Few: "клиентов", Many: "клиентов"}
	entries    = ru.Noun{One: "запись", Few: "записи", Many: "записей"}
	lines      = ru.Noun{One: "строка", Few: "строки", Many: "строк"}
)

// waitingIn is what waits for a person, or for the next run, in a month.
func waitingIn(m *models.MonthOverview) []string {
	var waiting []string
	if m.Stale > 0 {
		waiting = append(waiting, "поздние данные у "+latecomers.Count(int(m.Stale)))
	}
	if m.Parked > 0 {
		waiting = append(waiting, "не рассчитано: "+entries.Count(int(m.Parked)))
	}
	if m.Held.Count > 0 {
		waiting = append(waiting, "услуги без правила: "+lines.Count(int(m.Held.Count))+" на "+ru.Money(m.Held.Amount, ""))
	}
	return waiting
}

// monthList is the months, the newest first.
func (p *Pages) monthList(ctx context.Context, _ *http.Request) (export.List, string, error) {
	months, err := p.o.Service.Months(ctx)
	return export.List{
		Title: "Месяцы",
		Columns: []export.Column{
			{Head: "Месяц", Key: "period", Width: 11}, {Head: "Состояние", Key: "state", Width: 18}, {Head: "Режим", Key: "mode", Width: 12}, {Head: "Документов", Key: "documents", Width: 12}, {Head: "Проведено скидок", Key: "posted_minor", Width: 18},
			{Head: "Пакетов SMS", Key: "packages", Width: 12}, {Head: "Подписано", Key: "signed_minor", Width: 18}, {Head: "Подписал", Key: "signed_by", Width: 26}, {Head: "Когда подписан", Key: "signed_at", Width: 17},
			{Head: "Исправления за закрытые месяцы", Key: "into_minor", Width: 18}, {Head: "Исправлено в других месяцах", Key: "away_minor", Width: 18},
			{Head: "Сверка", Key: "reconciled_at", Width: 17}, {Head: "Расхождений", Key: "breaks", Width: 12},
			{Head: "Клиентов с поздними данными", Key: "stale", Width: 14}, {Head: "Не рассчитано", Key: "parked", Width: 14},
			{Head: "Строк услуг без правила", Key: "held_lines", Width: 14}, {Head: "На сумму", Key: "held_minor", Width: 18},
		},
		Each: func(row func(values ...any) error) error {
			for i := range months {
				m := &months[i]
				var signed models.SignedMonth
				var amount any
				if m.Signed != nil {
					signed, amount = *m.Signed, m.Signed.Posted
				}
				err := row(m.Period.String(), export.State(finance.MonthState(m)), export.State(finance.ModeOf(m.Shadow)), m.Documents.Count, m.Documents.Amount, m.Packages, amount, signed.Who, signed.At,
					m.Into.Amount, m.Away.Amount, m.CheckedAt, m.Breaks, m.Stale, m.Parked, m.Held.Count, m.Held.Amount)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}, "months", err
}
