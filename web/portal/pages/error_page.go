package pages

import (
	"net/http"
	"strings"

	"referral/web/middleware"
)

const toProgramme = "Открыть реферальную программу"

// The error pages of this package; packages auth and middleware have others.
var (
	pageNotFound = middleware.ErrorPage{Status: http.StatusNotFound, Title: "Такой страницы нет",
		Text: "Возможно, ссылка устарела или в адресе опечатка. Ваш код, скидки и приведенные клиенты на месте.",
		Link: pathHome, LinkText: toProgramme}
	// The reader may not be a client.
	pageBadToken = middleware.ErrorPage{Status: http.StatusNotFound, Title: "Ссылка не подходит",
		Text: "По этой ссылке приглашение не найдено. Откройте ссылку прямо из письма или сообщения: возможно, она скопирована не целиком."}
	pageBadForm = middleware.ErrorPage{Status: http.StatusBadRequest, Title: "Запрос не удалось прочитать",
		Text: "Похоже, страница устарела или данные дошли не полностью. Откройте страницу программы и повторите действие.",
		Link: pathHome, LinkText: toProgramme}
	pageDefect = middleware.ErrorPage{Status: http.StatusInternalServerError, Title: "Что-то пошло не так",
		Text: "Ошибка на нашей стороне, мы о ней уже знаем. Ваши скидки и данные не пострадали. Попробуйте еще раз; если не получится, обратитесь в поддержку.",
		Link: pathHome, LinkText: toProgramme}
	pageUnavailable = middleware.ErrorPage{Status: http.StatusServiceUnavailable, Title: "Кабинет временно недоступен",
		Text: "Сейчас мы не можем показать ваши данные. С ними ничего не случилось. Попробуйте через минуту.",
		Link: pathHome, LinkText: "Попробовать еще раз"}
)

// ErrorPage shows an error page in the layout of the pages. It is the Page of
// auth.Options.
func (p *Pages) ErrorPage(w http.ResponseWriter, r *http.Request, e middleware.ErrorPage) {
	// The pages write «е» for «ё», as the customer's text does.
	e.Title, e.Text, e.LinkText = withoutYo.Replace(e.Title), withoutYo.Replace(e.Text), withoutYo.Replace(e.LinkText)
	if err := p.render(w, r, e.Status, "error", frame{Title: e.Title, Body: e}); err != nil {
		middleware.RecordError(r.Context(), err)
		http.Error(w, e.Title+". "+e.Text, e.Status)
	}
}

var withoutYo = strings.NewReplacer("ё", "е", "Ё", "Е")
