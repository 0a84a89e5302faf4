package pages

import (
	"net/http"
	"strings"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// whyView is «почему столько»: an invoice with the arithmetic of its discount.
type whyView struct {
	Invoice   billing.InvoiceSums
	Lines     []whyLine
	Documents []billing.ExplainedDocument
}

// whyLine is a line of the invoice.
type whyLine struct {
	Service     string
	Days        string // of its service period, in a sentence
	Amount      string
	Note        string // why there is no discount
	Segments    []billing.ExplainedDays
	PercentDays int
	Words       string
	Formula     string
	Rounded     bool
	Wanted      string
}

func (p *Pages) why(w http.ResponseWriter, r *http.Request, account int64, o *portal.Overview) error {
	e, found, err := p.read.ExplainInvoice(r.Context(), account, r.PathValue("invoice"))
	if err != nil {
		return err
	}
	if !found {
		return errNotFound
	}
	v := whyView{Invoice: e.InvoiceSums, Documents: e.Documents}
	for i := range e.ByLine {
		v.Lines = append(v.Lines, whyLineOf(&e.ByLine[i], e.Currency))
	}
	f := frame{Title: "Почему столько: счет " + e.InvoiceID, Here: pathHistory, Name: o.Name, Body: &v}
	return p.render(w, r, http.StatusOK, "why", f)
}

func whyLineOf(l *billing.ExplainedLine, currency string) whyLine {
	v := whyLine{Service: serviceName(l.Service), Note: lineNote(l), Wanted: ru.Off(l.Wanted, currency)}
	if l.Class == "gone" {
		v.Wanted = ru.Off(l.Difference, currency)
		return v
	}
	v.Days, v.Amount = ru.DaysBetween(l.From, l.To), ru.Money(l.Amount, currency)
	if l.PercentDays == 0 {
		return v
	}
	v.Segments, v.PercentDays = l.Segments, l.PercentDays
	if l.PercentDays == 100*l.Days {
		v.Words = "Скидка 100% действовала весь срок (" + ru.Days.Count(l.Days) + "), поэтому она равна начисленной сумме."
		return v
	}
	v.Words, v.Formula, v.Rounded = inWords(l), ru.Share(l.Amount, l.PercentDays, 100*l.Days, -l.Wanted, currency), l.Rounded()
	return v
}

func lineNote(l *billing.ExplainedLine) string {
	switch {
	case l.Class == "excluded":
		return "На эту услугу скидка не распространяется."
	case l.Class == "held":
		return "Услуга новая: применяется ли к ней скидка, еще уточняется. Если да, мы пересчитаем счет."
	case l.Class == "gone":
		return "Этой строки в счете больше нет, поэтому скидка по ней снята."
	case l.PercentDays == 0:
		return "В эти дни скидка не действовала."
	}
	return ""
}

// partsWords is the discounts of days with several, or with an agreed one; otherwise
// empty.
func partsWords(s billing.ExplainedDays) string {
	words := kindsWords(s.Invitee, s.Inviter, s.Agreed)
	if s.Invitee+s.Inviter+s.Agreed > s.Percent {
		words += ", вместе не больше " + ru.Percent(s.Percent)
	}
	return words
}

// kindsWords names the discounts that make up a percentage, unless it is one of the
// programme's own.
func kindsWords(invitee, inviter, agreed int) string {
	var kinds []string
	if inviter > 0 {
		kinds = append(kinds, ru.Percent(inviter)+" за приведенных клиентов")
	}
	if invitee > 0 {
		kinds = append(kinds, ru.Percent(invitee)+" новому клиенту")
	}
	if agreed > 0 {
		kinds = append(kinds, ru.Percent(agreed)+" по отдельной договоренности")
	}
	if len(kinds) < 2 && agreed == 0 {
		return ""
	}
	return enumerated(kinds)
}

// inWords is the calculation in words: "19 дней по 40% и 11 дней по 60% — это
// 19 × 40 + 11 × 60 = 1 420", and the part that it is.
func inWords(l *billing.ExplainedLine) string {
	days, products := make([]string, len(l.Segments)), make([]string, len(l.Segments))
	for i, s := range l.Segments {
		days[i] = ru.Days.Count(s.Days) + " по " + ru.Percent(s.Percent)
		products[i] = times(s.Days, s.Percent)
	}
	return enumerated(days) + " — это " + strings.Join(products, " + ") + ru.Space + "= " + ru.Number(l.PercentDays) +
		". Если бы скидка 100% действовала весь срок (" + ru.Days.Count(l.Days) + "), вышло бы " + times(l.Days, 100) + ru.Space + "= " +
		ru.Number(100*l.Days) + ". Поэтому скидка — " + ru.Number(l.PercentDays) + " из " + ru.Number(100*l.Days) + " частей начисленной суммы:"
}

func times(a, b int) string { return ru.Number(a) + ru.Space + "×" + ru.Space + ru.Number(b) }

func enumerated(parts []string) string {
	last := len(parts) - 1
	if last < 1 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:last], ", ") + " и " + parts[last]
}

func (p *Pages) documentState(d billing.ExplainedDocument) status {
	state := documentStates[d.State]
	if d.State == billing.DocumentApplied && d.Answer != nil {
		state.Words += " " + ru.Date(models.DateOf(d.Answer.At, p.o.Zone))
	}
	return state
}
