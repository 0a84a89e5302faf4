package middleware

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
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

// InternalError is the answer to an error of the program.
var InternalError = ErrorPage{
	http.StatusInternalServerError, "Что-то пошло не так",
	"Произошла ошибка на нашей стороне, мы о ней уже знаем. Попробуйте ещё раз.", "/", "На главную",
}

var (
	notFound         = ErrorPage{http.StatusNotFound, "Страница не найдена", "Такой страницы нет. Возможно, ссылка устарела.", "/", "На главную"}
	methodNotAllowed = ErrorPage{http.StatusMethodNotAllowed, "Так эту страницу открыть нельзя", "Откройте страницу ещё раз из личного кабинета.", "/", "На главную"}
)

//go:embed templates/error.html
var errorText string

//go:embed assets/error.css
var style []byte

var errorTemplate = template.Must(template.New("error").Parse(errorText))

// Answer writes an error page, or a problem document if the request is for the API.
func (s *Stack) Answer(w http.ResponseWriter, r *http.Request, p ErrorPage) {
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	switch {
	case IsAPI(r):
		writeProblem(w, p.Status, p.Title+". "+p.Text)
	case s.o.Page != nil:
		s.o.Page(w, r, s.withLink(p))
	default:
		s.plainPage(w, s.withLink(p))
	}
}

func (s *Stack) withLink(p ErrorPage) ErrorPage {
	switch p.Link {
	case "":
	case "/":
		p.Link = s.o.Base
	default:
		p.Link = s.o.Base + p.Link
	}
	return p
}

// IsAPI reports whether a request is for the JSON API.
func IsAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

func (s *Stack) plainPage(w http.ResponseWriter, p ErrorPage) {
	var page bytes.Buffer
	err := errorTemplate.Execute(&page, struct {
		ErrorPage
		Style string
	}{p, s.o.Base + StylePath})
	if err != nil {
		panic(err) // the template is fixed, and a buffer takes everything
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.Status)
	_, _ = w.Write(page.Bytes()) // an error here is a client that has gone away
}

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
	_, _ = w.Write(append(body, '\n')) // an error here is a client that has gone away
}

// StylePath is the path of the style sheet of the plain error pages, under Options.Base.
const StylePath = "/error.css"

// ServeStyle answers with the style sheet of the plain error pages.
func ServeStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(style)
}
