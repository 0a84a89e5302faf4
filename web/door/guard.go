package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"referral/models"
)

var (
	// errClosed says that nobody has configured who may come in.
	errClosed = errors.New("sign-in is not configured")
	// errStorage says that the sessions cannot be looked up.
	errStorage = errors.New("the sessions cannot be reached")
)

// guarded is a route's handler behind its rule.
func (d *Door) guarded(route Route) http.Handler {
	var visitor func(*http.Request) (Visitor, error)
	switch route.Rule {
	case Anyone:
		return route.Handler
	case ClientPage:
		visitor = d.bySession
	case ClientAPI:
		visitor = d.bySessionOrBearer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := visitor(r)
		if err != nil {
			d.turnAway(w, r, route.Rule, err)
			return
		}
		route.Handler.ServeHTTP(w, r.WithContext(WithVisitor(r.Context(), v)))
	})
}

func (d *Door) bySession(r *http.Request) (Visitor, error) {
	if !d.Open() {
		return Visitor{}, errClosed
	}
	return visitorOf(d.session(r))
}

// bySessionOrBearer goes by the token alone where one is shown: a bad one must not
// hide behind a cookie.
func (d *Door) bySessionOrBearer(r *http.Request) (Visitor, error) {
	text, given := bearerOf(r)
	if !given {
		return d.bySession(r)
	}
	account, err := d.bearer(r.Context(), text)
	return Visitor{AccountID: account, Bearer: true}, err
}

func visitorOf(s models.Session, err error) (Visitor, error) {
	if err != nil && !errors.Is(err, errNobody) && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", errStorage, err)
	}
	return Visitor{AccountID: s.AccountID}, err
}

// turnAway answers who is not let in. A page that was asked for is shown after the
// sign-in; what was to be done is not, for nobody may find it done behind his back:
// the client is told that nothing has happened.
func (d *Door) turnAway(w http.ResponseWriter, r *http.Request, rule Rule, err error) {
	nobody := errors.Is(err, errNobody)
	switch {
	case nobody && rule == ClientPage && isSafe(r):
		d.metrics.turned.WithLabelValues(reasonNobody).Inc()
		http.Redirect(w, r, signInTo(r.URL.RequestURI()), http.StatusSeeOther)
	case nobody && rule == ClientPage:
		d.metrics.turned.WithLabelValues(reasonNobody).Inc()
		n := noticeNotDone
		n.Link = signInTo(refererPath(r))
		d.answer(w, r, n)
	default:
		d.refuse(w, r, err)
	}
}

func isSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func signInTo(back string) string {
	return SignInPath + "?" + url.Values{"return": {localPath(back)}}.Encode()
}

// refererPath is the page from which something was to be done.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return HomePath
	}
	return u.RequestURI()
}

// refuse answers what went wrong at the door itself.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason, notice := reasonStorage, noticeStorage
	switch {
	case errors.Is(err, errNobody):
		reason, notice = reasonNobody, noticeNobody
	case errors.Is(err, errBadToken):
		reason, notice = reasonBadToken, noticeBadToken
	case errors.Is(err, errClosed):
		reason, notice = reasonClosed, noticeClosed
	case errors.Is(err, errAway):
		reason, notice = reasonAway, noticeAway
	case errors.Is(err, errCrossSite):
		reason, notice = reasonCrossSite, noticeCrossSite
	}
	d.metrics.turned.WithLabelValues(reason).Inc()
	if errors.Is(err, errClosed) || errors.Is(err, errAway) {
		quieten(r.Context()) // it has been logged, once and not for every request
	}
	NoteError(r.Context(), err)
	d.answer(w, r, notice)
}
