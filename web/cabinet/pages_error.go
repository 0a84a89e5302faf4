package cabinet

import (
	"net/http"
	"strconv"
	"time"

	"referral/web/cabinet/ru"
)

// apology is an error as a client reads it: what is the matter, and what to do.
type apology struct {
	Status int
	Head   string
	Text   string
	Advice string
}

var apologies = map[int]apology{
	http.StatusBadRequest: {Head: "Запрос не удалось прочитать",
		Text: "Похоже, страница устарела или данные дошли не полностью.", Advice: "Вернитесь на страницу программы и повторите действие."},
	http.StatusUnauthorized: {Head: "Нужно войти",
		Text: "Эта страница доступна после входа в личный кабинет.", Advice: "Откройте страницу программы: мы предложим войти и вернем вас обратно."},
	http.StatusForbidden: {Head: "Действие не выполнено",
		Text: "Запрос пришел с другого сайта, и мы его не выполнили, чтобы защитить ваш кабинет.", Advice: "Если это действие начали вы, откройте страницу программы и повторите его оттуда."},
	http.StatusNotFound: {Head: "Такой страницы нет",
		Text: "Возможно, ссылка устарела или в адресе опечатка.", Advice: "Ваш код, скидки и приведенные клиенты на месте: откройте страницу программы."},
	http.StatusMethodNotAllowed: {Head: "Так эту страницу не открыть",
		Text: "Эта страница отвечает только на отправку формы.", Advice: "Откройте страницу программы и повторите действие."},
	http.StatusTooManyRequests: {Head: "Слишком много запросов",
		Text: "Мы ненадолго приостановили ответы на ваши запросы.", Advice: "Подождите немного и обновите страницу."},
	http.StatusInternalServerError: {Head: "Что-то пошло не так",
		Text: "Ошибка на нашей стороне, мы о ней уже знаем. Ваши скидки и данные не пострадали.", Advice: "Попробуйте еще раз. Если не получится — обратитесь в поддержку."},
	http.StatusServiceUnavailable: {Head: "Кабинет временно недоступен",
		Text: "Сейчас мы не можем показать ваши данные. С ними ничего не случилось.", Advice: "Обновите страницу через минуту."},
}

// Error writes the page of an HTTP error. A Retry-After that the header holds
// already is told in words.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, status int) {
	a, known := apologies[status]
	if !known {
		a = apologies[http.StatusInternalServerError]
	}
	a.Status = status
	if wait, ok := retryAfter(w.Header()); ok && status == http.StatusTooManyRequests {
		a.Advice = "Попробуйте снова через " + ru.Wait(wait) + "."
	}
	if err := p.render(w, r, status, "error", frame{Title: a.Head, Body: a}); err != nil {
		p.complain(r, err)
		http.Error(w, a.Head, status)
	}
}

func retryAfter(h http.Header) (time.Duration, bool) {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	return time.Duration(seconds) * time.Second, err == nil
}
