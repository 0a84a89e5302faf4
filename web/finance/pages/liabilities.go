package pages

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"referral/internal/ru"
	"referral/models"
	"referral/web/chart"
	"referral/web/finance"
)

type liabilitiesView struct {
	Made       bool
	MadeAt     time.Time
	Currencies []currencyView
	Exports    []exportLink
}

// currencyView is the liabilities in a currency.
type currencyView struct {
	finance.CurrencyLiabilities

	Months []models.Period
	Bars   []costBar
	Leads  []string // heads of the columns of past forecasts
	Of     string   // ends the headings: which currency, when there are several
	ID     string   // ends the names of the sections, likewise
}

// costBar is a month of the forecast, as a bar.
type costBar struct {
	Month models.Period
	Sum   models.Money
	Parts []chart.Part
}

var costClasses = []string{"bar-invitee", "bar-inviter", "bar-agreed"}

// liabilities is what granted discounts will cost, and how well past forecasts did.
func (p *Pages) liabilities(w http.ResponseWriter, r *http.Request, _ models.Staff) error {
	l, made, err := p.o.Service.Liabilities(r.Context())
	if err != nil {
		return err
	}
	v := liabilitiesView{Made: made, MadeAt: l.MadeAt, Exports: exportLinks(pathLiabilities, nil)}
	for i := range l.Currencies {
		c := currencyViewOf(&l.Currencies[i], l.Months)
		if len(l.Currencies) > 1 {
			c.Of, c.ID = ", "+c.Currency, "-"+c.Currency
		}
		v.Currencies = append(v.Currencies, c)
	}
	return p.render(w, r, http.StatusOK, "liabilities", frame{Title: "Обязательства", Here: pathLiabilities, Body: v})
}

func currencyViewOf(l *finance.CurrencyLiabilities, months []models.Period) currencyView {
	v := currencyView{CurrencyLiabilities: *l, Months: months}
	highest := models.Money(0)
	for _, sum := range l.Totals {
		highest = max(highest, -sum)
	}
	for i, month := range months {
		var invitee, inviter, agreed models.Money
		for _, row := range l.Rows {
			switch row.Kind {
			case models.Agreed:
				agreed = agreed.Add(-row.Amounts[i])
			case models.Invitee:
				invitee = invitee.Add(-row.Amounts[i])
			default:
				inviter = inviter.Add(-row.Amounts[i])
			}
		}
		v.Bars = append(v.Bars, costBar{month, l.Totals[i], chart.Bar(highest, costClasses, max(0, invitee), max(0, inviter), max(0, agreed))})
	}
	for _, lead := range finance.ForecastLeads {
		v.Leads = append(v.Leads, "Ожидали за "+ru.Months.Count(lead))
	}
	return v
}

// deviation is by how many percent a forecast was above or below what came, in tenths.
func deviation(e finance.Expectation, actual models.Money) string {
	if !e.Known || actual == 0 {
		return dash
	}
	percent := (float64(e.Amount) - float64(actual)) / float64(actual) * 100
	if percent > -0.05 && percent < 0.05 {
		return "0,0%"
	}
	sign := "+"
	if percent < 0 {
		sign, percent = "−", -percent
	}
	return sign + strings.Replace(fmt.Sprintf("%.1f", percent), ".", ",", 1) + "%"
}
