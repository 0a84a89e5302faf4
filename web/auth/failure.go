package auth

import (
	"net/http"

	"referral/web/middleware"
)

// failure is why a request or a sign-in is rejected: the label in the metrics, the text in
// the log, and the answer, whose link is a path under Options.Base.
type failure struct {
	reason string
	text   string
	page   middleware.ErrorPage
}

// Error returns the text for the log.
func (f *failure) Error() string { return f.text }

var (
	errUnauthenticated = &failure{reason: "unauthenticated", text: "not signed in", page: middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Нужен вход",
		Text: "Войдите или покажите токен доступа.",
		Link: SignInPath, LinkText: "Войти",
	}}
	errBadToken = &failure{reason: "bad_token", text: "the token is not valid for the API", page: middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Токен не принят",
		Text: "Токен доступа недействителен или выдан не для этого сервиса.",
	}}
	errNotConfigured = &failure{reason: "not_configured", text: "sign-in is not configured", page: middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Вход пока не настроен",
		Text: "Эти страницы ещё не подключены к единому входу. Загляните, пожалуйста, позже.",
	}}
	errProviderUnavailable = &failure{reason: "provider_unavailable", text: "the OpenID provider does not answer", page: middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Вход временно недоступен",
		Text: "Служба входа сейчас не отвечает. Данные в сохранности. Попробуйте через несколько минут.",
		Link: "/", LinkText: "Попробовать ещё раз",
	}}
	errCrossSite = &failure{reason: "cross_site", text: "a request from another site", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Запрос отклонён",
		Text: "Запрос пришёл с другого сайта. Откройте эти страницы сами и повторите действие там.",
		Link: "/", LinkText: "К началу",
	}}
	errStorage = &failure{reason: "storage", text: "the sessions cannot be reached", page: middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Сервис временно недоступен",
		Text: "Не удалось обратиться к данным. Ничего не изменилось. Попробуйте через несколько минут.",
		Link: "/", LinkText: "Попробовать ещё раз",
	}}
	errUnknownReturn = &failure{reason: "unknown_return", text: "the browser has no such sign-in", page: middleware.ErrorPage{
		Status: http.StatusBadRequest, Title: "Вход не завершён",
		Text: "Этот вход начат не здесь или слишком давно. Начните его заново.",
		Link: SignInPath, LinkText: "Войти",
	}}
	errDeclined = &failure{reason: "declined", text: "the provider did not authenticate the user", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Вход не выполнен",
		Text: "Служба входа не подтвердила, кто вы, или вход был отменён.",
		Link: SignInPath, LinkText: "Попробовать ещё раз",
	}}
	errNoAccount = &failure{reason: "no_account", text: "the token names no account", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Нет доступа к реферальной программе",
		Text: "К этой учётной записи не привязана Корпоративная АТС. Войдите под другой учётной записью или обратитесь в поддержку.",
		Link: SignInPath + "?switch=1", LinkText: "Войти под другой учётной записью",
	}}
	errNoRole = &failure{reason: "no_role", text: "the token gives no role", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Нет роли в реферальной программе",
		Text: "У этой учётной записи нет ни одной роли, с которой открыты эти страницы. Обратитесь к тому, кто выдаёт роли.",
		Link: SignInPath + "?switch=1", LinkText: "Войти под другой учётной записью",
	}}
	errForbidden = &failure{reason: "forbidden", text: "the roles of the principal do not allow this", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Недостаточно прав",
		Text: "Эта страница открыта сотрудникам с другой ролью.",
		Link: "/", LinkText: "К началу",
	}}
	errTooManySignIns = &failure{reason: "too_many", text: "too many concurrent sign-ins", page: middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Слишком много входов сразу",
		Text: "Сейчас входит много людей. Подождите минуту и попробуйте ещё раз.",
		Link: SignInPath, LinkText: "Войти",
	}}
	errRefused = &failure{reason: "refused", text: "the answer of the provider is not valid", page: middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Вход не выполнен",
		Text: "Ответ службы входа не прошёл проверку. Начните вход заново; если это повторится, обратитесь в поддержку.",
		Link: SignInPath, LinkText: "Войти",
	}}
)

// The failures that are counted, so that each counter begins at 0.
var (
	requestFailures = []*failure{errUnauthenticated, errBadToken, errNotConfigured, errProviderUnavailable, errCrossSite, errStorage, errForbidden}
	signInFailures  = []*failure{errUnknownReturn, errDeclined, errNoAccount, errNoRole, errTooManySignIns, errProviderUnavailable, errStorage, errRefused}
)

var (
	pageSignedOut = middleware.ErrorPage{
		Status: http.StatusOK, Title: "Вы вышли",
		Text: "Сеанс завершён.",
		Link: SignInPath, LinkText: "Войти снова",
	}
	pageSessionEnded = middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Сеанс завершён",
		Text: "Время сеанса истекло, поэтому действие не выполнено. Войдите и повторите его.",
		Link: SignInPath, LinkText: "Войти",
	}
)

// answer writes an error page or, to the API, a problem document.
func (a *Authenticator) answer(w http.ResponseWriter, r *http.Request, p middleware.ErrorPage) {
	if p.Status == http.StatusUnauthorized && middleware.IsAPI(r) {
		challenge := `Bearer realm="referral"`
		if p == errBadToken.page {
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	a.stack.Answer(w, r, p)
}
