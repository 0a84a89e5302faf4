package pages

import (
	"net/http"
	"net/url"
	"strconv"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// historyView is «История скидок»: the changes with their reasons, and the sums.
type historyView struct {
	Left         bool // the account is terminated
	Changes      []changeRow
	ChangesPager pager
	Chart        monthChart
	Months       []billing.MonthMoney
	Waiting      bool // something is owed and not posted yet
	MonthsPager  pager
}

// changeRow is consecutive days with one percentage.
type changeRow struct {
	Period  string
	Percent string
	Parts   string // of two discounts
	Reason  string
}

func (p *Pages) history(w http.ResponseWriter, r *http.Request, account int64, o *portal.Overview) error {
	query := r.URL.Query()
	changes, err := p.read.Changes(r.Context(), account, query.Get("after"), changesAPage)
	if err != nil {
		return err
	}
	months, err := p.read.Months(r.Context(), account, query.Get("months"), monthsAPage)
	if err != nil {
		return err
	}
	v := historyView{
		Left: o.Terminated, Changes: changeRows(changes.Items, query.Get("until")), ChangesPager: changesPager(r, changes),
		Chart: chartOf(months.Items), Months: months.Items, MonthsPager: pagerOf(r, "Страницы счетов", pathHistory, "months", months.Next),
	}
	for i := range months.Items {
		v.Waiting = v.Waiting || months.Items[i].Waiting != 0
	}
	return p.render(w, r, http.StatusOK, "history", frame{Title: "История скидок", Here: pathHistory, Name: o.Name, Body: v})
}

// changesPager passes the end of the newest change to the older page, whose list does
// not have it.
func changesPager(r *http.Request, part portal.Page[billing.DiscountChange]) pager {
	at := pagerOf(r, "Страницы изменений скидки", pathHistory, "after", part.Next)
	if at.First != "" {
		at.First = withQuery(pathHistory, without(without(r.URL.Query(), "after"), "until"))
	}
	if at.Older != "" {
		query := r.URL.Query()
		query.Set("after", part.Next)
		query.Set("until", part.Items[len(part.Items)-1].On.String())
		at.Older = withQuery(pathHistory, query)
	}
	return at
}

// changeRows returns the changes, newest first, each with the days until the next. The
// newest ends on the day before until ("2026-04-20"), or is open.
func changeRows(changes []billing.DiscountChange, until string) []changeRow {
	end, err := models.ParseDate(until)
	if err != nil {
		end = 0
	}
	rows := make([]changeRow, len(changes))
	for i := range changes {
		rows[i] = changeRowOf(&changes[i], end)
		end = changes[i].On
	}
	return rows
}

func changeRowOf(c *billing.DiscountChange, end models.Date) changeRow {
	row := changeRow{Period: "с " + ru.Date(c.On), Percent: ru.Percent(c.Percent), Reason: changeReason(c)}
	switch {
	case end == 0:
	case end <= c.On+1: // one day, or a part of it if there were more changes
		row.Period = ru.Date(c.On)
	default:
		row.Period = ru.Date(c.On) + " – " + ru.Date(end-1)
	}
	if c.Kept {
		row.Percent = "без изменений"
	}
	row.Parts = kindsWords(c.Invitee, c.Inviter, c.Agreed)
	return row
}

func changeReason(c *billing.DiscountChange) string {
	switch c.Reason {
	case billing.ChangeFriend:
		return "Клиент " + accountID(c.Friend) + " активировал ваш код: " + friendBrought(c)
	case billing.ChangeLadderEnd:
		return "Закончился срок скидки за приведенных клиентов"
	case billing.ChangeInviteeStart:
		return "Начала действовать скидка новому клиенту по коду-приглашению"
	case billing.ChangeInviteeEnd:
		return "Закончился срок скидки новому клиенту"
	case billing.ChangeAgreedStart:
		return "Начала действовать скидка по отдельной договоренности"
	case billing.ChangeAgreedEnd:
		return "Закончился срок скидки по отдельной договоренности"
	case billing.ChangeRevoked:
		return "Приглашение отозвано: за него скидка больше не действует"
	case billing.ChangeTermination:
		return "АТС отключена"
	}
	return ""
}

// friendBrought is what a friend changed; the end, if the percentage stayed.
func friendBrought(c *billing.DiscountChange) string {
	until := " по" + ru.Space + ru.DateInWords(c.End-1) + " включительно"
	switch {
	case c.Kept && c.Extended:
		return "срок скидки продлен" + until
	case c.Kept:
		return "скидка действует, как и раньше," + until
	}
	return "ступень " + strconv.Itoa(c.Step)
}

func accountID(id int64) string { return strconv.FormatInt(id, 10) }

// rowspan is the rows of a month's table: its invoices, and the sum of several.
func rowspan(m billing.MonthMoney) int {
	if len(m.Invoices) > 1 {
		return len(m.Invoices) + 1
	}
	return len(m.Invoices)
}

func whyPath(invoice string) string { return pathHistory + "/" + url.PathEscape(invoice) }

// unbookedPart is a part of an invoice's discount that billing has not applied.
type unbookedPart struct{ Title, Words, Amount string }

// unbooked returns the parts of an invoice's discount that billing has not applied.
func unbooked(s billing.InvoiceSums) []unbookedPart {
	var parts []unbookedPart
	for _, part := range []struct {
		state  billing.DocumentState
		title  string
		amount models.Money
	}{
		{billing.DocumentRejected, "Не проведено", s.Rejected},
		{billing.DocumentResent, "Передано повторно", s.Resent},
		{billing.DocumentWrittenOff, "Решено отдельно", s.WrittenOff},
	} {
		if part.amount != 0 {
			parts = append(parts, unbookedPart{part.title, unbookedWords[part.state], ru.Off(part.amount, s.Currency)})
		}
	}
	return parts
}
