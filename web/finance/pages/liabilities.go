package pages

import (
	"fmt"
	"net/http"
	"strings"

	"referral/internal/ru"
	"referral/models"
	"referral/web/chart"
	"referral/web/finance"
)

type liabilitiesView struct {
	finance.Liabilities

	Made  bool
	Bars  []costBar
	Leads []string // heads of the columns of past forecasts

	Exports []exportLink
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
	v := liabilitiesView{Liabilities: l, Made: made, Exports: exportLinks(pathLiabilities, nil)}
	highest := models.Money(0)
	for _, sum := range l.Totals {
		highest = max(highest, -sum)
	}
	for i, month := range l.Months {
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
	return p.render(w, r, http.StatusOK, "liabilities", frame{Title: "Обязательства", Here: pathLiabilities, Body: v})
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
