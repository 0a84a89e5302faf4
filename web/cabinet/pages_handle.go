package cabinet

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"referral/web/door"
)

// shower answers a request of the client whose account it is given. It writes
// nothing before it knows that it will not fail.
type shower func(w http.ResponseWriter, r *http.Request, account int64) error

var (
	errNowhere = errors.New("cabinet: no such page")
	errBadForm = errors.New("cabinet: the form cannot be read")
)

// client is a shower behind the door, with its errors turned into pages: the one
// place where they are.
func (p *Pages) client(show shower) http.Handler {
	return p.recovered(func(w http.ResponseWriter, r *http.Request) error {
		visitor, ok := door.VisitorOf(r.Context())
		if !ok {
			return fmt.Errorf("%w: nobody is known at %q", errDefect, r.Pattern)
		}
		return show(w, r, visitor.AccountID)
	})
}

// errDefect is a mistake of the program's own, which asking again will not mend.
var errDefect = errors.New("cabinet: defect")

func (p *Pages) recovered(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.caught(show, w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

// caught turns a panic into an error. What net/http uses to break a connection off
// goes its way.
func (p *Pages) caught(show func(http.ResponseWriter, *http.Request) error, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if met := recover(); met == http.ErrAbortHandler { //nolint:errorlint // the very value is what net/http compares with
			panic(met)
		} else if met != nil {
			err = fmt.Errorf("%w: %v\n%s", errDefect, met, debug.Stack())
		}
	}()
	return show(w, r)
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNowhere), errors.Is(err, ErrBadCursor):
		p.Error(w, r, http.StatusNotFound)
	case errors.Is(err, errBadForm):
		p.Error(w, r, http.StatusBadRequest)
	case r.Context().Err() != nil:
		// Whoever asked is no longer there.
	case errors.Is(err, errDefect):
		p.complain(r, err)
		p.Error(w, r, http.StatusInternalServerError)
	default:
		p.complain(r, err)
		w.Header().Set("Retry-After", "30")
		p.Error(w, r, http.StatusServiceUnavailable)
	}
}

// complain names the pattern and not the address, which may carry a code or a
// token.
func (p *Pages) complain(r *http.Request, err error) {
	visitor, _ := door.VisitorOf(r.Context())
	p.o.Log.ErrorContext(r.Context(), "a page of the personal account could not be shown",
		"page", r.Pattern, "account", visitor.AccountID, "error", err)
}
