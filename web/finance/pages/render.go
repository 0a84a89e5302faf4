package pages

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/auth"
	"referral/web/chart"
	"referral/web/finance"
)

//go:embed templates
var templateFiles embed.FS

//go:embed assets/finance.css
var style []byte

var pageNames = []string{"months", "month", "sign", "report", "run", "rehearsal", "clients", "client", "invoice", "register", "queue", "journal", "act", "proposals", "proposal", "suspicions", "liabilities", "simulate", "error"}

// functions is what the templates print values with.
func (p *Pages) functions() template.FuncMap {
	return template.FuncMap{
		"money": ru.Money, "off": ru.Off, "percent": ru.Percent, "month": ru.Month, "monthTitle": ru.MonthTitle, "days": ru.DaysBetween,
		"date":   func(d models.Date) string { return orDash(d != 0, func() string { return ru.Date(d) }) },
		"last":   func(d models.Date) string { return orDash(d != 0, func() string { return ru.Date(d - 1) }) },
		"moment": func(t time.Time) string { return orDash(!t.IsZero(), func() string { return ru.Moment(t, p.o.Zone) }) },
		"age":    func(t time.Time) string { return ru.Wait(max(p.o.Now().Sub(t), time.Minute)) },
		"count":  func(n int64) string { return ru.Number(int(n)) },
		"act":    actPath, "letterAct": deadLetterAct, "undoAct": undoPath, "serviceAct": servicePath, "undoServiceAct": undoServicePath, "typed": finance.AmountText, "proposed": p.o.Service.ActTitle,
		"monthShort": ru.MonthShort, "upright": chart.Upright, "deviation": deviation,
		"cost": func(m models.Money, currency string) string {
			return orDash(m != 0, func() string { return ru.Off(m, currency) })
		},
		"add": func(a, b int) int { return a + b }, "term": func(name, label string, value, now int) termField { return termField{name, label, value, now} },
		"formula": formula, "since": finance.SinceWords, "number": ru.Number, "words": finance.Words, "look": finance.Look, "amount": total, "sum": sumOf, "document": documentID,
		"flat": chart.Flat, "cell": p.cell, "upper": strings.ToUpper,
		"foundOf": func(text string) []exportLink {
			return exportLinks(pathClients, url.Values{"q": {text}})
		}, "clientPath": finance.ClientPath, "invoicePath": finance.InvoicePath,
		"exportsOf": func(path string) []exportLink { return exportLinks(path, nil) }, "breaksOf": breaksPath, "lasting": lasting,
		"fault": func(f models.JournalFault) string { return finance.FaultWords(&f, p.o.Zone) },
	}
}

const dash = "—"

func orDash(known bool, text func() string) string {
	if !known {
		return dash
	}
	return text()
}

// total is a sum with its number of documents or lines. A line counts once, where most of
// it belongs, so that there are sums without a number.
func total(c models.CountedAmount, currency string) string {
	if c.Count == 0 && c.Amount == 0 {
		return dash
	}
	return ru.Off(c.Amount, currency)
}

// sumOf is a control total: an amount, or a number of packages, which have no currency.
func sumOf(c models.CountedAmount, currency string) string {
	if currency == "" {
		return ru.Number(int(c.Count))
	}
	return total(c, currency)
}

// formula is how the discount of a line follows from its days.
func formula(l billing.ExplainedLine, currency string) string {
	if l.PercentDays == 0 {
		return ""
	}
	said := ru.Share(l.Amount, l.PercentDays, 100*l.Days, -l.Wanted, currency)
	if l.Rounded() {
		said += ", округлено до копейки"
	}
	return said
}

func documentID(id models.UUID) string {
	return orDash(id != models.UUID{}, id.String)
}

// frame is a page with what stands around it.
type frame struct {
	Title   string
	Here    string // path of the tab that is open
	Staff   models.Staff
	Roles   []string // in words
	Tabs    []tab
	SignOut string
	Month   *models.PeriodInfo // that the page is about; nil for none
	Note    string             // about the shadow mode; empty for none
	Alone   template.CSS       // a page that is kept as a file has its style within it
	Body    any
}

type tab struct {
	Name, Path string
	Here       bool
	roles      []models.Role
}

var tabs = []tab{
	{Name: "Месяцы", Path: pathMonths, roles: moneyRole},
	{Name: "Клиенты и счета", Path: pathClients, roles: everyRole},
	{Name: "Реестр документов", Path: pathRegister, roles: moneyRole},
	{Name: "Очередь", Path: pathQueue, roles: moneyRole},
	{Name: "Решения", Path: pathProposals, roles: everyRole},
	{Name: "Обязательства", Path: pathLiabilities, roles: moneyRole},
	{Name: "Что, если", Path: pathSimulate, roles: moneyRole},
	{Name: "Подозрения", Path: pathSuspicions, roles: moneyRole},
	{Name: "Журнал", Path: pathJournal, roles: moneyRole},
}

// tabsOf is the tabs that a member of staff may open.
func tabsOf(staff models.Staff, here string) []tab {
	var open []tab
	for _, t := range tabs {
		if t.Here = t.Path == here; staff.HasAny(t.roles) {
			open = append(open, t)
		}
	}
	return open
}

// render writes a page whole or, when its template fails, not at all.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) error {
	f.Note = p.shadowNote(f.Month)
	if principal, ok := auth.PrincipalOf(r.Context()); ok {
		f.Staff, f.SignOut, f.Tabs = principal.Staff, pathMonths+auth.SignOutPath, tabsOf(principal.Staff, f.Here)
		for _, role := range principal.Staff.Roles {
			f.Roles = append(f.Roles, finance.Words(role))
		}
	}
	if err := p.templates.Write(w, status, name, f); err != nil {
		return fmt.Errorf("%w: %w", errDefect, err)
	}
	return nil
}

var styleSheet = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Length", strconv.Itoa(len(style)))
	_, _ = w.Write(style) // an error here is a person who has gone away
})
