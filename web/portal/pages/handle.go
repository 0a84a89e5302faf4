package pages

import (
	"errors"
	"fmt"
	"net/http"

	"referral/web/auth"
	"referral/web/middleware"
	"referral/web/portal"
)

// clientHandler answers a request of a signed-in client. It writes nothing before it
// can no longer fail.
type clientHandler func(w http.ResponseWriter, r *http.Request, account int64) error

var (
	errNotFound = errors.New("pages: no such page")
	errBadForm  = errors.New("pages: the form cannot be read")
	// errDefect is a defect of the program, which a retry does not help.
	errDefect = errors.New("pages: defect")
)

// client is a route for signed-in clients.
func (p *Pages) client(pattern string, show clientHandler) auth.Route {
	return auth.Route{Pattern: pattern, Access: auth.SignedInPage, Handler: p.shown(func(w http.ResponseWriter, r *http.Request) error {
		principal, ok := auth.PrincipalOf(r.Context())
		if !ok {
			return fmt.Errorf("%w: no principal behind a client's access rule", errDefect)
		}
		return show(w, r, principal.AccountID)
	})}
}

// shown turns errors into pages; this is the only place that does.
func (p *Pages) shown(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := show(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, portal.ErrBadCursor):
		p.ErrorPage(w, r, pageNotFound)
	case errors.Is(err, errBadForm):
		p.ErrorPage(w, r, pageBadForm)
	case errors.Is(err, errDefect):
		middleware.RecordError(r.Context(), err)
		p.ErrorPage(w, r, pageDefect)
	default:
		middleware.RecordError(r.Context(), err)
		w.Header().Set("Retry-After", "30")
		p.ErrorPage(w, r, pageUnavailable)
	}
}
