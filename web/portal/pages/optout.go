package pages

import (
	"net/http"
	"net/url"
)

// optOutView is the page where a recipient opts out. It does not show the recipient,
// because anyone may have the URL.
type optOutView struct {
	Done bool
	Path string
}

// askOptOut asks for confirmation: programs that scan e-mails follow their links.
func (p *Pages) askOptOut(w http.ResponseWriter, r *http.Request) error {
	v := optOutView{Path: "/referral/opt-out/" + url.PathEscape(r.PathValue("token"))}
	return p.render(w, r, http.StatusOK, "optout", frame{Title: "Отказ от приглашений", Body: v})
}

// optOut answers the form and the one-click request of RFC 8058. It does not redirect,
// because mail programs do not follow redirects.
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
