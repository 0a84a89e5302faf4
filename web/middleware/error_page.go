package middleware

import (
	"encoding/json"
	"net/http"
	"strings"
)

// ErrorPage is an answer in the place of a page, in Russian.
type ErrorPage struct {
	Status   int
	Title    string
	Text     string
	Link     string // path under Options.Base, "/" for the home page; empty for no link
	LinkText string
}

// internalError is the answer to an error of the program.
var internalError = ErrorPage{
	http.StatusInternalServerError, "Что-то пошло не так",
	"Произошла ошибка на нашей стороне, мы о ней уже знаем. Попробуйте ещё раз.", "/", "На главную",
}

var (
	notFound         = ErrorPage{http.StatusNotFound, "Страница не найдена", "Такой страницы нет. Возможно, ссылка устарела.", "/", "На главную"}
	unreadableURL    = ErrorPage{http.StatusBadRequest, "Адрес не читается", "В адресе есть знаки, которых в нем быть не может.", "/", "На главную"}
	methodNotAllowed = ErrorPage{http.StatusMethodNotAllowed, "Так эту страницу открыть нельзя", "Вернитесь на предыдущую страницу или откройте ее из меню.", "/", "На главную"}
)

// Answer writes an error page, or a problem document if the request is for the API.
func (s *Stack) Answer(w http.ResponseWriter, r *http.Request, p ErrorPage) {
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	if IsAPI(r) {
		writeProblem(w, p.Status, p.Title+". "+p.Text)
		return
	}
	if p.Link != "" {
		p.Link = s.o.Base + strings.TrimSuffix(p.Link, "/")
	}
	s.o.Page(w, r, p)
}

// IsAPI reports whether a request is for the JSON API.
func IsAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// writeProblem answers a program (RFC 9457). detail is for people, in Russian.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
	if err != nil {
		panic(err) // two texts and a number always marshal
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the client has disconnected
}
