package pages

import (
	"errors"
	"fmt"
	"net/http"

	"referral/web/door"
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
func (p *Pages) client(pattern string, show clientHandler) door.Route {
	return door.Route{Pattern: pattern, Rule: door.ClientPage, Handler: p.shown(func(w http.ResponseWriter, r *http.Request) error {
		visitor, ok := door.VisitorOf(r.Context())
		if !ok {
			return fmt.Errorf("%w: nobody is known behind a client's rule", errDefect)
		}
		return show(w, r, visitor.AccountID)
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
		p.Notice(w, r, noticeNowhere)
	case errors.Is(err, errBadForm):
		p.Notice(w, r, noticeBadForm)
	case errors.Is(err, errDefect):
		door.NoteError(r.Context(), err)
		p.Notice(w, r, noticeDefect)
	default:
		door.NoteError(r.Context(), err)
		w.Header().Set("Retry-After", "30")
		p.Notice(w, r, noticeAway)
	}
}
