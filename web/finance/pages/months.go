package pages

import (
	"net/http"
	"slices"

	"referral/internal/ru"
	"referral/models"
	"referral/web/finance"
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

func (p *Pages) months(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	months, err := p.o.Service.Months(r.Context())
	if err != nil {
		return err
	}
	rows := make([]monthRow, len(months))
	for i := range months {
		rows[i] = monthRow{MonthOverview: months[i], State: finance.MonthState(&months[i]), Waiting: waitingIn(&months[i])}
	}
	return p.render(w, r, http.StatusOK, "months", frame{Title: "Месяцы", Here: pathMonths, Body: rows})
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
