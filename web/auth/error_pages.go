package auth

import (
	"net/http"

	"referral/web/middleware"
)

// The error pages. Their links are paths under Options.Base.
var (
	pageSignedOut = middleware.ErrorPage{
		Status: http.StatusOK, Title: "Вы вышли",
		Text: "Сеанс в личном кабинете завершён.",
		Link: SignInPath, LinkText: "Войти снова",
	}
	pageNotConfigured = middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Вход пока не настроен",
		Text: "Личный кабинет реферальной программы ещё не подключён к единому входу. Загляните, пожалуйста, позже.",
	}
	pageProviderUnavailable = middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Вход временно недоступен",
		Text: "Служба входа сейчас не отвечает. Ваши скидки и данные в сохранности. Попробуйте через несколько минут.",
		Link: "/", LinkText: "Попробовать ещё раз",
	}
	pageStorage = middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Сервис временно недоступен",
		Text: "Не удалось обратиться к данным. Ничего не изменилось. Попробуйте через несколько минут.",
		Link: "/", LinkText: "Попробовать ещё раз",
	}
	pageTooManySignIns = middleware.ErrorPage{
		Status: http.StatusServiceUnavailable, Title: "Слишком много входов сразу",
		Text: "Сейчас входит много клиентов. Подождите минуту и попробуйте ещё раз.",
		Link: SignInPath, LinkText: "Войти",
	}
	pageUnknownReturn = middleware.ErrorPage{
		Status: http.StatusBadRequest, Title: "Вход не завершён",
		Text: "Этот вход начат не здесь или слишком давно. Начните его заново.",
		Link: SignInPath, LinkText: "Войти",
	}
	pageDeclined = middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Вход не выполнен",
		Text: "Служба входа не подтвердила, кто вы, или вход был отменён.",
		Link: SignInPath, LinkText: "Попробовать ещё раз",
	}
	pageRefused = middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Вход не выполнен",
		Text: "Ответ службы входа не прошёл проверку. Начните вход заново; если это повторится, обратитесь в поддержку.",
		Link: SignInPath, LinkText: "Войти",
	}
	pageNoAccount = middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Нет доступа к реферальной программе",
		Text: "К этой учётной записи не привязана Корпоративная АТС. Войдите под другой учётной записью или обратитесь в поддержку.",
		Link: SignInPath + "?switch=1", LinkText: "Войти под другой учётной записью",
	}
	pageUnauthenticated = middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Нужен вход",
		Text: "Войдите в личный кабинет или покажите токен доступа.",
		Link: SignInPath, LinkText: "Войти",
	}
	pageBadToken = middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Токен не принят",
		Text: "Токен доступа недействителен или выдан не для этого сервиса.",
	}
	pageSessionEnded = middleware.ErrorPage{
		Status: http.StatusUnauthorized, Title: "Сеанс завершён",
		Text: "Вы были не в сети слишком долго, поэтому действие не выполнено. Войдите и повторите его.",
		Link: SignInPath, LinkText: "Войти",
	}
	pageCrossSite = middleware.ErrorPage{
		Status: http.StatusForbidden, Title: "Запрос отклонён",
		Text: "Запрос пришёл с другого сайта. Откройте личный кабинет и повторите действие там.",
		Link: "/", LinkText: "Открыть личный кабинет",
	}
)

// answer writes an error page or, to the API, a problem document.
func (a *Authenticator) answer(w http.ResponseWriter, r *http.Request, p middleware.ErrorPage) {
	if p.Status == http.StatusUnauthorized && middleware.IsAPI(r) {
		challenge := `Bearer realm="referral"`
		if p == pageBadToken {
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	a.stack.Answer(w, r, p)
}
