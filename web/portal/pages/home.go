package pages

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"referral/models"
	"referral/web/portal"
)

// home is the main page, or the page for joining if the client does not take part. A code
// in the URL, from an invitation link, is filled in.
func (p *Pages) home(w http.ResponseWriter, r *http.Request, account int64) error {
	query := r.URL.Query()
	linked := models.NormalCode(clean(query.Get("code")))
	return p.showHome(w, r, account, codeInput{Typed: linked, Status: http.StatusOK}, query.Get("done"))
}

// What a form has done, in the URL of the page after it.
const (
	doneActivated = "activated"
	doneWaiting   = "waiting"
	doneJoined    = "entered"
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

// overview returns that of a new client for an unknown account, which may enter a code
// too.
func (p *Pages) overview(ctx context.Context, account int64) (portal.Overview, error) {
	s, err := p.read.Overview(ctx, account)
	if errors.Is(err, portal.ErrUnknownAccount) {
		err = nil
	}
	return s, err
}

// activate enters a code. A refusal is shown at the field; success redirects to a URL that
// may be loaded again.
func (p *Pages) activate(w http.ResponseWriter, r *http.Request, account int64) error {
	if err := readForm(r); err != nil {
		return err
	}
	code := typed(r, "code")
	if models.NormalCode(code) == "" {
		return p.showHome(w, r, account, codeInput{Words: "Введите код из приглашения.", Status: http.StatusUnprocessableEntity}, "")
	}
	request := portal.ActivationRequest{Code: code, ClientIP: p.o.Proxies.ClientIP(r), Key: idempotencyKey(r, models.NormalCode(code))}
	v, err := retryWhileUnderWay(r.Context(), func() (portal.ActivationResult, error) { return p.o.Service.Activate(r.Context(), account, request) })
	if isStale(err) {
		return p.showHome(w, r, account, codeInput{Typed: code, Words: staleForm, Status: http.StatusConflict}, "")
	}
	if err != nil {
		return err
	}
	return p.showActivation(w, r, account, code, v)
}

// isStale reports whether a form must be sent again as a new one.
func isStale(err error) bool {
	return errors.Is(err, portal.ErrKeyReused) || errors.Is(err, portal.ErrUnderWay)
}

const staleForm = "Страница устарела, поэтому форма не отправлена. Проверьте, что введено, и отправьте еще раз."

func (p *Pages) showActivation(w http.ResponseWriter, r *http.Request, account int64, code string, v portal.ActivationResult) error {
	switch {
	case v.Wait > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(v.Wait.Seconds())+1))
		return p.showHome(w, r, account, codeInput{Typed: code, Words: refusalWords(v), Status: http.StatusTooManyRequests}, "")
	case v.Accepted:
		return redirect(w, r, pathHome, "done", doneActivated)
	case v.Waiting:
		return redirect(w, r, pathHome, "done", doneWaiting)
	}
	return p.showHome(w, r, account, codeInput{Typed: code, Words: refusalWords(v), Status: http.StatusUnprocessableEntity}, "")
}

// redirect sends the browser from a form to a page; the value says what was done, without
// personal data.
func redirect(w http.ResponseWriter, r *http.Request, path, name, value string) error {
	http.Redirect(w, r, path+"?"+name+"="+value, http.StatusSeeOther)
	return nil
}

// join is «У меня нет кода».
func (p *Pages) join(w http.ResponseWriter, r *http.Request, account int64) error {
	if err := readForm(r); err != nil {
		return err
	}
	if err := p.o.Service.JoinWithoutCode(r.Context(), account); err != nil {
		return err
	}
	return redirect(w, r, pathHome, "done", doneJoined)
}
