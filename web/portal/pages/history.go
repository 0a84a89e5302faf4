package pages

import (
	"net/http"
	"net/url"
	"strconv"

	"referral/billing"
	"referral/models"
	"referral/web/portal"
	"referral/web/portal/pages/ru"
)

// historyView is «История скидок»: what changed and why, and what it brought.
type historyView struct {
	Left         bool // the account has left, and nothing more will come
	Changes      []changeRow
	ChangesPager pager
	Chart        chart
	Months       []monthView
	Waiting      bool // something is owed and not posted yet
	MonthsPager  pager
}

// changeRow is a stretch of days with one percentage.
type changeRow struct {
	Period  string
	Percent string
	Parts   string // when two discounts are added
	Reason  string
}

// monthView is a month with its invoices.
type monthView struct {
	Title    string
	Highest  string
	Rows     int        // of the table, with the sum
	Sums     invoiceRow // of all of them
	Invoices []invoiceRow
}

type invoiceRow struct {
	ID, Charged, Discount, Waiting string
	Notes                          []string // what of the discount is not in the invoice, and why
	Why                            string   // address of the explanation
}

func (p *Pages) history(w http.ResponseWriter, r *http.Request, account int64) error {
	s, err := p.overview(r.Context(), account)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	changes, err := p.o.Service.Changes(r.Context(), account, query.Get("after"), changesAPage)
	if err != nil {
		return err
	}
	months, err := p.o.Service.Months(r.Context(), account, query.Get("months"), monthsAPage)
	if err != nil {
		return err
	}
	v := historyView{
		Left: s.Terminated, Changes: changeRows(changes.Items, query.Get("until")), ChangesPager: changesPager(r, changes),
		Chart: chartOf(months.Items), MonthsPager: pagerOf(r, "Страницы счетов", pathHistory, "months", months.Next),
	}
	for i := range months.Items {
		v.Waiting = v.Waiting || months.Items[i].Waiting != 0
		v.Months = append(v.Months, monthOf(&months.Items[i]))
	}
	return p.render(w, r, http.StatusOK, "history", frame{Title: "История скидок", Here: pathHistory, Name: s.Name, Body: v})
}

// changesPager tells the older part where its newest stretch of days ends: its
// list does not hold that day.
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

// changeRows is the changes, newest first, each with the days until the next. The
// newest ends on the day before until, "2026-04-20", or is open.
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
	case end <= c.On+1: // a day, or a part of it: there were more changes
		row.Period = ru.Date(c.On)
	default:
		row.Period = ru.Date(c.On) + " – " + ru.Date(end-1)
	}
	if c.Kept {
		row.Percent = "без изменений"
	}
	if c.Invitee > 0 && c.Inviter > 0 {
		row.Parts = ru.Percent(c.Inviter) + " за приведенных клиентов и " + ru.Percent(c.Invitee) + " новому клиенту"
	}
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
	case billing.ChangeTermination:
		return "АТС отключена"
	}
	return ""
}

// friendBrought is what a friend changed: where all percent are reached, the end.
func friendBrought(c *billing.DiscountChange) string {
	until := " по" + ru.Space + ru.Prose(c.End-1) + " включительно"
	switch {
	case c.Kept && c.Extended:
		return "срок скидки продлен" + until
	case c.Kept:
		return "скидка действует, как и раньше," + until
	}
	return "ступень " + strconv.Itoa(c.Step)
}

func accountID(id int64) string { return strconv.FormatInt(id, 10) }

func monthOf(m *billing.MonthMoney) monthView {
	v := monthView{Title: ru.MonthTitle(m.Period)}
	if m.Highest > 0 {
		v.Highest = ru.Percent(m.Highest)
	}
	currency := "RUB"
	for i := range m.Invoices {
		currency = m.Invoices[i].Currency
		v.Invoices = append(v.Invoices, invoiceRowOf(&m.Invoices[i]))
	}
	v.Rows = len(v.Invoices)
	if v.Rows > 1 {
		v.Rows++
	}
	v.Sums = sums("", m.Charged, m.Discount, m.Waiting, currency)
	return v
}

func invoiceRowOf(s *billing.InvoiceSums) invoiceRow {
	row := sums(s.InvoiceID, s.Charged, s.Booked(), s.Difference, s.Currency)
	for _, part := range unbooked(s) {
		row.Notes = append(row.Notes, part.Amount+" — "+part.Words)
	}
	row.Why = pathHistory + "/" + url.PathEscape(s.InvoiceID)
	return row
}

// unbookedPart is a part of an invoice's discount that billing has not taken.
type unbookedPart struct{ Title, Words, Amount string }

// unbooked is those parts, in the words that their documents have on the page of
// the invoice.
func unbooked(s *billing.InvoiceSums) []unbookedPart {
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

func sums(id string, charged, posted, waiting models.Money, currency string) invoiceRow {
	row := invoiceRow{ID: id, Charged: ru.Money(charged, currency), Discount: ru.Off(posted, currency)}
	if waiting != 0 {
		row.Waiting = ru.Off(waiting, currency)
	}
	return row
}
