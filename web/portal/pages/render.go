package pages

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/auth"
	"referral/web/chart"
)

//go:embed templates
var templateFiles embed.FS

// functions is what the templates call to write values in Russian.
func (p *Pages) functions() template.FuncMap {
	return template.FuncMap{
		"asset": p.assets.path, "tabs": func() any { return tabs }, "whyPath": whyPath, "rowspan": rowspan, "minus": func(a, b int) int { return a - b },
		"number": ru.Number, "percent": ru.Percent, "money": ru.Money, "off": ru.Off, "sms": ru.SMS,
		"months": ru.Months.Count, "clients": ru.Clients.Count,
		"date": ru.Date, "prose": ru.DateInWords, "period": ru.DaysBetween, "month": ru.Month, "monthTitle": ru.MonthTitle,
		"moment":    func(t time.Time) string { return ru.Moment(t, p.o.Zone) },
		"recipient": recipientWords, "channel": func(c models.Channel) string { return channelWords[c] },
		"invitationState": func(s models.InvitationState) status { return invitationStates[s] },
		"packageState":    func(s billing.PackageState) status { return packageStates[s] }, "packagePlan": packagePlan,
		"documentState": p.documentState, "documentReason": func(r models.AdjustmentReason) string { return documentReasons[r] },
		"upright": chart.Upright, "flat": chart.Flat,
		"unbooked": unbooked, "groups": groups, "parts": partsWords,
	}
}

var pageNames = []string{"joining", "home", "friends", "history", "why", "invite", "invitations", "optout", "error"}

// frame is the data of a page and its layout.
type frame struct {
	Title    string // of the document
	Here     string // path of the open tab; empty for a page without tabs
	Account  int64  // 0 without a principal
	Name     string // of the client, where the page knows it
	HasError bool   // the page begins with an error
	ReadOnly bool   // a member of staff looks at it: nothing can be sent
	Body     any
}

// The tabs, in the words of the customer's text.
var tabs = []struct{ Name, Path string }{
	{Name: "Мой код", Path: pathHome},
	{Name: "История скидок", Path: pathHistory},
	{Name: "Приглашения", Path: pathInvitations},
	{Name: "Приведенные клиенты", Path: pathFriends},
	{Name: "Таблица скидок", Path: pathTable},
}

// render writes a page. If its template fails, it writes nothing.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) error {
	if principal, ok := auth.PrincipalOf(r.Context()); ok {
		f.Account = principal.AccountID
	}
	if account, ok := viewedBy(r.Context()); ok {
		f.Account, f.ReadOnly = account, true
	}
	if err := p.templates.Write(w, status, name, f); err != nil {
		return fmt.Errorf("%w: %w", errDefect, err)
	}
	return nil
}
