package pages

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"referral/models"

	"referral/web/portal"
)

// home is the main page, or the one for joining while the client takes no part. A
// code in the address (of a friend's link) is in the field already.
func (p *Pages) home(w http.ResponseWriter, r *http.Request, account int64) error {
	query := r.URL.Query()
	linked := models.NormalCode(clean(query.Get("code")))
	return p.showHome(w, r, account, codeInput{Typed: linked, Status: http.StatusOK}, query.Get("done"))
}

// What was just done, as the address says it after a form; the page says so only
// where the facts agree.
const (
	doneActivated = "activated"
	doneWaiting   = "waiting"
	doneEntered   = "entered"
)

func (p *Pages) showHome(w http.ResponseWriter, r *http.Request, account int64, t codeInput, done string) error {
	s, err := p.overview(r.Context(), account)
	if err != nil {
		return err
	}
	f := frame{Title: "Реферальная программа", Here: pathHome, Name: s.Name, HasError: t.Words != ""}
	if !s.TakesPart {
		f.Here, f.Body = "", p.joiningView(&s, t, done)
		if !s.Terminated {
			f.Title = "Вступить в программу"
		}
		return p.render(w, r, t.Status, "joining", f)
	}
	f.Body = p.homeView(&s, t, done)
	return p.render(w, r, t.Status, "home", f)
}

// overview of an account of which nothing has arrived is that of anybody: a code
// may be entered all the same, and waits.
func (p *Pages) overview(ctx context.Context, account int64) (portal.Overview, error) {
	s, err := p.o.Service.Overview(ctx, account)
	if errors.Is(err, portal.ErrUnknownAccount) {
		err = nil
	}
	return s, err
}

// activate enters a code. What was refused is shown where it was typed; what was
// accepted is shown at an address that may be loaded again.
func (p *Pages) activate(w http.ResponseWriter, r *http.Request, account int64) error {
	if err := readForm(r); err != nil {
		return err
	}
	code := typed(r, "code")
	if models.NormalCode(code) == "" {
		return p.showHome(w, r, account, codeInput{Words: "Введите код из приглашения.", Status: http.StatusUnprocessableEntity}, "")
	}
	attempt := portal.ActivationRequest{Code: code, ClientIP: p.o.Proxies.ClientIP(r), Key: onceKey(r, models.NormalCode(code))}
	v, err := retryWhileUnderWay(r.Context(), func() (portal.ActivationResult, error) { return p.o.Service.Activate(r.Context(), account, attempt) })
	if stale(err) {
		return p.showHome(w, r, account, codeInput{code, staleForm, http.StatusConflict}, "")
	}
	if err != nil {
		return err
	}
	return p.answerAttempt(w, r, account, code, v)
}

// stale tells a form that cannot be answered as it is, but can be as a new one.
func stale(err error) bool {
	return errors.Is(err, portal.ErrKeyReused) || errors.Is(err, portal.ErrUnderWay)
}

const staleForm = "Страница устарела, поэтому форма не отправлена. Проверьте, что введено, и отправьте еще раз."

func (p *Pages) answerAttempt(w http.ResponseWriter, r *http.Request, account int64, code string, v portal.ActivationResult) error {
	switch {
	case v.Wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(v.Wait.Seconds())+1))
		return p.showHome(w, r, account, codeInput{code, refusalWords(v), http.StatusTooManyRequests}, "")
	case v.Accepted:
		return p.done(w, r, pathHome, "done", doneActivated)
	case v.Waiting:
		return p.done(w, r, pathHome, "done", doneWaiting)
	}
	return p.showHome(w, r, account, codeInput{code, refusalWords(v), http.StatusUnprocessableEntity}, "")
}

// done sends the browser from a form to a page; the value says what was done, and
// nothing about whom.
func (p *Pages) done(w http.ResponseWriter, r *http.Request, path, name, value string) error {
	http.Redirect(w, r, path+"?"+name+"="+value, http.StatusSeeOther)
	return nil
}

// enter is «У меня нет кода».
func (p *Pages) enter(w http.ResponseWriter, r *http.Request, account int64) error {
	if err := readForm(r); err != nil {
		return err
	}
	if err := p.o.Service.JoinWithoutCode(r.Context(), account); err != nil {
		return err
	}
	return p.done(w, r, pathHome, "done", doneEntered)
}
