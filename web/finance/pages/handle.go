package pages

import (
	"errors"
	"fmt"
	"net/http"

	"referral/models"
	"referral/web/auth"
	"referral/web/finance"
	"referral/web/middleware"
)

// handler answers a request of a member of staff. It writes nothing before it can no
// longer fail.
type handler func(w http.ResponseWriter, r *http.Request, staff models.Staff) error

var (
	errNotFound = errors.New("finance pages: no such page")
	errBadForm  = errors.New("finance pages: the form cannot be read")
	// errDefect is a defect of the program, which a retry does not help.
	errDefect = errors.New("finance pages: defect")
)

var (
	pageNotFound = middleware.ErrorPage{Status: http.StatusNotFound, Title: "Такой страницы нет",
		Text: "Возможно, в адресе опечатка или такого клиента, счета или месяца нет.", Link: pathMonths, LinkText: "К началу"}
	pageBadForm = middleware.ErrorPage{Status: http.StatusBadRequest, Title: "Форму прочитать не удалось",
		Text: "Ничего не изменено. Откройте страницу и заполните форму еще раз.", Link: pathMonths, LinkText: "К началу"}
	pageDefect = middleware.ErrorPage{Status: http.StatusInternalServerError, Title: "Ошибка в программе",
		Text: "Страницу показать не удалось. Ошибка записана в журнал службы; данные не изменены.", Link: pathMonths, LinkText: "К началу"}
	pageUnavailable = middleware.ErrorPage{Status: http.StatusServiceUnavailable, Title: "База данных не отвечает",
		Text: "Сейчас данные показать нельзя. Попробуйте через минуту.", Link: pathMonths, LinkText: "Попробовать еще раз"}
)

// staff is a route for the given roles.
func (p *Pages) staff(pattern string, roles []models.Role, show handler) auth.Route {
	return auth.Route{Pattern: pattern, Access: auth.SignedInPage, Roles: roles, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		principal, ok := auth.PrincipalOf(r.Context())
		if !ok {
			p.fail(w, r, fmt.Errorf("%w: no principal behind an access rule", errDefect))
			return
		}
		if err := show(w, r, principal.Staff); err != nil {
			p.fail(w, r, err)
		}
	})}
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, finance.ErrUnknownAct), errors.Is(err, finance.ErrBadFilter):
		p.ErrorPage(w, r, pageNotFound)
	case errors.Is(err, errBadForm):
		p.ErrorPage(w, r, pageBadForm)
	case errors.Is(err, errDefect):
		middleware.RecordError(r.Context(), err)
		p.ErrorPage(w, r, pageDefect)
	default:
		middleware.RecordError(r.Context(), err)
		w.Header().Set("Retry-After", "30")
		p.ErrorPage(w, r, pageUnavailable)
	}
}

// ErrorPage shows an error page in the layout of the pages. It is the Page of
// auth.Options.
func (p *Pages) ErrorPage(w http.ResponseWriter, r *http.Request, e middleware.ErrorPage) {
	if err := p.render(w, r, e.Status, "error", frame{Title: e.Title, Body: e}); err != nil {
		middleware.RecordError(r.Context(), err)
		http.Error(w, e.Title+". "+e.Text, e.Status)
	}
}
