// Package middleware is what surrounds every route of a site: request limits, security
// headers, logging, metrics and error pages.
package middleware

import (
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configures a stack. All are required.
type Options struct {
	Site          string // name of the site in the metrics
	Base          string // path of its home page, which error pages link to
	TrustedOrigin string // of the pages, as browsers see it
	HTTPS         bool   // browsers use https
	// Page writes an error page in the layout of the site; Link is an absolute path.
	Page func(w http.ResponseWriter, r *http.Request, p ErrorPage)
	// CrossSite answers a request that another site made a browser send.
	CrossSite  http.HandlerFunc
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Stack is the handlers around the routes.
type Stack struct {
	o       Options
	policy  atomic.Pointer[string] // Content-Security-Policy
	metrics *metrics
}

// New returns a stack. Forms may lead to its own host only.
func New(o Options) *Stack {
	s := &Stack{o: o, metrics: newMetrics(o.Site, o.Registerer)}
	s.AllowFormTarget("")
	return s
}

// ExpectRoute creates the metrics of a route, so that they are counted from 0.
func (s *Stack) ExpectRoute(pattern string) { s.metrics.initialise(pattern) }

// Wrap returns the routes of mux within the stack.
func (s *Stack) Wrap(mux *http.ServeMux) http.Handler {
	return s.observe(s.headers(s.limit(s.route(mux))))
}

// route passes a request on to its route, and answers with an error page if there is
// none.
func (s *Stack) route(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			requestOf(r.Context()).route = pattern
			mux.ServeHTTP(w, r)
			return
		}
		discarded := &discardBody{header: http.Header{}}
		handler.ServeHTTP(discarded, r)
		page := notFound
		if discarded.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", discarded.header.Get("Allow"))
			page = methodNotAllowed
		}
		s.Answer(w, r, page)
	})
}

// discardBody records the status and the header of an answer.
type discardBody struct {
	header http.Header
	status int
}

func (d *discardBody) Header() http.Header         { return d.header }
func (d *discardBody) WriteHeader(status int)      { d.status = status }
func (d *discardBody) Write(b []byte) (int, error) { return len(b), nil }
