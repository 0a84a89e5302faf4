package pages

import (
	"net/http"
	"net/url"
)

// optOutView is the page of a recipient who wants no more invitations. Whose it is
// stands nowhere on it: anybody may hold the address.
type optOutView struct {
	Done bool
	Path string
}

// askOptOut asks and does nothing: programs that look at links in mails follow them.
func (p *Pages) askOptOut(w http.ResponseWriter, r *http.Request) error {
	v := optOutView{Path: "/referral/opt-out/" + url.PathEscape(r.PathValue("token"))}
	return p.render(w, r, http.StatusOK, "optout", frame{Title: "Отказ от приглашений", Body: v})
}

// optOut answers the form and the one click of RFC 8058 alike, whose body says
// "List-Unsubscribe=One-Click": both mean yes. It answers at once and sends nobody
// elsewhere, for mail programs do not follow.
func (p *Pages) optOut(w http.ResponseWriter, r *http.Request) error {
	found, err := p.o.Service.OptOut(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	if !found {
		p.ErrorPage(w, r, pageBadToken)
		return nil
	}
	return p.render(w, r, http.StatusOK, "optout", frame{Title: "Вы отказались от приглашений", Body: optOutView{Done: true}})
}
