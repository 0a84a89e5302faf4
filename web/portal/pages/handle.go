package pages

import (
	"errors"
	"fmt"
	"net/http"

	"referral/web/auth"
	"referral/web/middleware"
	"referral/web/portal"
)

// clientHandler answers a request of a signed-in client. It writes nothing if it returns
// an error.
type clientHandler func(w http.ResponseWriter, r *http.Request, account int64) error

// withOverview is a handler of a page that shows the client's name.
func (p *Pages) withOverview(show func(w http.ResponseWriter, r *http.Request, account int64, o *portal.Overview) error) clientHandler {
	return func(w http.ResponseWriter, r *http.Request, account int64) error {
		o, err := p.overview(r.Context(), account)
		if err != nil {
			return err
		}
		return show(w, r, account, &o)
	}
}

var (
	errNotFound = errors.New("pages: no such page")
	errBadForm  = errors.New("pages: the form cannot be read")
	// errDefect is an error of the program, which a retry does not resolve.
	errDefect = errors.New("pages: defect")
)

// client returns a route for signed-in clients.
func (p *Pages) client(pattern string, show clientHandler) auth.Route {
	return auth.Route{Pattern: pattern, Access: auth.SignedInPage, Handler: p.withErrorPage(func(w http.ResponseWriter, r *http.Request) error {
		principal, ok := auth.PrincipalOf(r.Context())
		if !ok {
			return fmt.Errorf("%w: no principal on a route for signed-in clients", errDefect)
		}
		return show(w, r, principal.AccountID)
	})}
}

// withErrorPage answers the error of a handler with an error page.
func (p *Pages) withErrorPage(show func(http.ResponseWriter, *http.Request) error) http.Handler {
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
