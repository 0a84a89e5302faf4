package door

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

// Notice is what a person is told instead of a page, in Russian.
type Notice struct {
	Status   int
	Title    string
	Text     string
	Link     string // where to go from here; empty for nowhere
	LinkText string
}

// The door's notices.
var (
	noticeSignedOut = Notice{http.StatusOK, "Вы вышли", "Сеанс в личном кабинете завершён.", SignInPath, "Войти снова"}
	noticeClosed    = Notice{http.StatusServiceUnavailable, "Вход пока не настроен",
		"Личный кабинет реферальной программы ещё не подключён к единому входу. Загляните, пожалуйста, позже.", "", ""}
	noticeAway = Notice{http.StatusServiceUnavailable, "Вход временно недоступен",
		"Служба входа сейчас не отвечает. Ваши скидки и данные в сохранности. Попробуйте через несколько минут.", HomePath, "Попробовать ещё раз"}
	noticeStorage = Notice{http.StatusServiceUnavailable, "Сервис временно недоступен",
		"Не удалось обратиться к данным. Ничего не изменилось. Попробуйте через несколько минут.", HomePath, "Попробовать ещё раз"}
	noticeBusy = Notice{http.StatusServiceUnavailable, "Слишком много входов сразу",
		"Сейчас входит много клиентов. Подождите минуту и попробуйте ещё раз.", SignInPath, "Войти"}
	noticeBroken = Notice{http.StatusInternalServerError, "Что-то пошло не так",
		"Произошла ошибка на нашей стороне, мы о ней уже знаем. Попробуйте ещё раз.", HomePath, "На главную"}
	noticeStray = Notice{http.StatusBadRequest, "Вход не завершён",
		"Этот вход начат не здесь или слишком давно. Начните его заново.", SignInPath, "Войти"}
	noticeDeclined = Notice{http.StatusForbidden, "Вход не выполнен",
		"Служба входа не подтвердила, кто вы, или вход был отменён.", SignInPath, "Попробовать ещё раз"}
	noticeRefused = Notice{http.StatusForbidden, "Вход не выполнен",
		"Ответ службы входа не прошёл проверку. Начните вход заново; если это повторится, обратитесь в поддержку.", SignInPath, "Войти"}
	noticeNoAccount = Notice{http.StatusForbidden, "Нет доступа к реферальной программе",
		"К этой учётной записи не привязана Корпоративная АТС. Войдите под другой учётной записью или обратитесь в поддержку.",
		SignInPath + "?switch=1", "Войти под другой учётной записью"}
	noticeNobody   = Notice{http.StatusUnauthorized, "Нужен вход", "Войдите в личный кабинет или покажите токен доступа.", SignInPath, "Войти"}
	noticeBadToken = Notice{http.StatusUnauthorized, "Токен не принят", "Токен доступа недействителен или выдан не для этого сервиса.", "", ""}
	noticeNotDone  = Notice{http.StatusUnauthorized, "Сеанс завершён",
		"Вы были не в сети слишком долго, поэтому действие не выполнено. Войдите и повторите его.", SignInPath, "Войти"}
	noticeCrossSite = Notice{http.StatusForbidden, "Запрос отклонён",
		"Запрос пришёл с другого сайта. Откройте личный кабинет и повторите действие там.", HomePath, "Открыть личный кабинет"}
	noticeNotFound  = Notice{http.StatusNotFound, "Страница не найдена", "Такой страницы нет. Возможно, ссылка устарела.", HomePath, "На главную"}
	noticeNotSoDone = Notice{http.StatusMethodNotAllowed, "Так эту страницу открыть нельзя", "Откройте страницу ещё раз из личного кабинета.", HomePath, "На главную"}
)

//go:embed templates/notice.html
var noticeText string

//go:embed assets/door.css
var style []byte

var noticePage = template.Must(template.New("notice").Parse(noticeText))

// answer tells a person, or a program that asked the API.
func (d *Door) answer(w http.ResponseWriter, r *http.Request, n Notice) {
	w.Header().Set("Cache-Control", "no-store")
	if n.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	switch {
	case isAPI(r):
		if n.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", challenge(n))
		}
		WriteProblem(w, n.Status, n.Title+". "+n.Text)
	case d.o.Page != nil:
		d.o.Page(w, r, n)
	default:
		plainPage(w, n)
	}
}

func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

func challenge(n Notice) string {
	if n == noticeBadToken {
		return `Bearer realm="referral", error="invalid_token"`
	}
	return `Bearer realm="referral"`
}

func plainPage(w http.ResponseWriter, n Notice) {
	var page bytes.Buffer
	if err := noticePage.Execute(&page, n); err != nil {
		panic(err) // the template is fixed, and a buffer takes everything
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(n.Status)
	_, _ = w.Write(page.Bytes()) // an error here is a client that has gone away
}

// WriteProblem answers a program (RFC 9457). detail is for people, in Russian.
func WriteProblem(w http.ResponseWriter, status int, detail string) {
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

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(style)
}
