package door

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Mux is the routes behind their rules, with the door's own. It refuses a route
// without a rule or a method, and two that cannot be told apart.
func (d *Door) Mux(routes []Route) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, route := range slices.Concat(routes, d.own()) {
		if err := d.add(mux, route); err != nil {
			return nil, err
		}
	}
	return d.observed(d.headed(d.checked(d.routed(mux)))), nil
}

func (d *Door) own() []Route {
	own := []Route{
		{"GET " + SignInPath, Anyone, http.HandlerFunc(d.beginSignIn)},
		{"GET " + CallbackPath, Anyone, http.HandlerFunc(d.endSignIn)},
		{"POST " + SignOutPath, Anyone, http.HandlerFunc(d.signOut)},
		{"GET " + SignedOutPath, Anyone, http.HandlerFunc(d.signedOut)},
		{"GET " + stylePath, Anyone, http.HandlerFunc(serveStyle)},
		{"GET /{$}", Anyone, http.RedirectHandler(HomePath, http.StatusSeeOther)},
	}
	return own
}

func (d *Door) add(mux *http.ServeMux, route Route) (err error) {
	if err := route.Validate(); err != nil {
		return err
	}
	if method, _, ok := strings.Cut(route.Pattern, " "); !ok || method == "" || strings.ToUpper(method) != method {
		return fmt.Errorf("door: route %q must name its method: one rule is for one way of using it", route.Pattern)
	}
	defer func() {
		if r := recover(); r != nil { // what ServeMux thinks of a pattern
			err = fmt.Errorf("door: route %q: %v", route.Pattern, r)
		}
	}()
	mux.Handle(route.Pattern, d.guarded(route))
	d.metrics.expect(route.Pattern)
	return nil
}

// routed hands a request to its route, and tells in words when there is none.
func (d *Door) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			visitOf(r.Context()).route = pattern
			mux.ServeHTTP(w, r)
			return
		}
		silent := &silence{header: http.Header{}}
		handler.ServeHTTP(silent, r)
		notice := noticeNotFound
		if silent.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", silent.header.Get("Allow"))
			notice = noticeNotSoDone
		}
		d.answer(w, r, notice)
	})
}

// silence takes an answer of which only the status and the header matter.
type silence struct {
	header http.Header
	status int
}

func (s *silence) Header() http.Header         { return s.header }
func (s *silence) WriteHeader(status int)      { s.status = status }
func (s *silence) Write(b []byte) (int, error) { return len(b), nil }

// errCrossSite says that another site wants something done.
var errCrossSite = errors.New("a request from another site")

// largestBody is more than any form of the pages or any request to the API needs.
const largestBody = 64 << 10

// checked bounds a request, and refuses one that another site has a browser send.
func (d *Door) checked(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// The address that browsers use may be another than the one that the proxy
	// before us passes on.
	if err := protection.AddTrustedOrigin(d.public); err != nil && d.Open() {
		panic(err) // the public URL has been validated
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			d.refuse(w, r, errCrossSite)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, largestBody)
		next.ServeHTTP(w, r)
	})
}
