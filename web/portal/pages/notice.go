package pages

import (
	"net/http"
	"strings"

	"referral/web/door"
)

const toProgramme = "Открыть реферальную программу"

// What the pages tell instead of a page; the door has more.
var (
	noticeNowhere = door.Notice{Status: http.StatusNotFound, Title: "Такой страницы нет",
		Text: "Возможно, ссылка устарела или в адресе опечатка. Ваш код, скидки и приведенные клиенты на месте.",
		Link: pathHome, LinkText: toProgramme}
	// Whoever reads it need not be a client.
	noticeBadToken = door.Notice{Status: http.StatusNotFound, Title: "Ссылка не подходит",
		Text: "По этой ссылке приглашение не найдено. Откройте ссылку прямо из письма или сообщения: возможно, она скопирована не целиком."}
	noticeBadForm = door.Notice{Status: http.StatusBadRequest, Title: "Запрос не удалось прочитать",
		Text: "Похоже, страница устарела или данные дошли не полностью. Откройте страницу программы и повторите действие.",
		Link: pathHome, LinkText: toProgramme}
	noticeDefect = door.Notice{Status: http.StatusInternalServerError, Title: "Что-то пошло не так",
		Text: "Ошибка на нашей стороне, мы о ней уже знаем. Ваши скидки и данные не пострадали. Попробуйте еще раз; если не получится, обратитесь в поддержку.",
		Link: pathHome, LinkText: toProgramme}
	noticeAway = door.Notice{Status: http.StatusServiceUnavailable, Title: "Кабинет временно недоступен",
		Text: "Сейчас мы не можем показать ваши данные. С ними ничего не случилось. Попробуйте через минуту.",
		Link: pathHome, LinkText: "Попробовать еще раз"}
)

// Notice shows what a client is told instead of a page, in the look of the pages.
// It is what a door wants as its Page.
func (p *Pages) Notice(w http.ResponseWriter, r *http.Request, n door.Notice) {
	// The customer's text writes no «ё», and so do the pages.
	n.Title, n.Text, n.LinkText = plainYo.Replace(n.Title), plainYo.Replace(n.Text), plainYo.Replace(n.LinkText)
	if err := p.render(w, r, n.Status, "notice", frame{Title: n.Title, Body: n}); err != nil {
		door.NoteError(r.Context(), err)
		http.Error(w, n.Title+". "+n.Text, n.Status)
	}
}

var plainYo = strings.NewReplacer("ё", "е", "Ё", "Е")
