package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"referral/internal/tracing"
)

// request is the state of a request while it is answered.
type request struct {
	route        string // pattern; never the path, which may contain personal data
	err          error
	suppressed   bool
	panicked     bool
	disconnected bool // the client has disconnected
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if v, ok := ctx.Value(requestKey{}).(*request); ok {
		return v
	}
	return &request{} // outside of a Stack nothing reads it
}

// RecordError records why a request fails, for the one line that is logged about it.
// The text of err must contain no personal data.
func RecordError(ctx context.Context, err error) {
	v := requestOf(ctx)
	v.err = errors.Join(v.err, err)
}

// SuppressLog prevents the log line of a failure that has been logged already.
func SuppressLog(ctx context.Context) { requestOf(ctx).suppressed = true }

// requestTimeout bounds a request, waiting for the database included.
const requestTimeout = 20 * time.Second

// observe counts and times a request by its route, logs it when it fails, and
// recovers its panic.
func (s *Stack) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		v := &request{route: noRoute}
		traced, span := tracing.Start(r.Context(), tracing.Server, noRoute, tracing.OfRequest(r))
		ctx, cancel := context.WithTimeout(context.WithValue(traced, requestKey{}, v), requestTimeout)
		defer cancel()
		answer := &recorder{ResponseWriter: w}
		broken := s.recoverPanic(answer, r.WithContext(ctx), v, next)
		v.disconnected = r.Context().Err() != nil
		s.count(ctx, answer.Status(), v, time.Since(began))
		s.logFailure(ctx, answer.Status(), v, time.Since(began))
		s.endSpan(span, r.Method, answer.Status(), v)
		if broken {
			panic(http.ErrAbortHandler) // a partial answer must not look complete
		}
	})
}

// recoverPanic answers, and turns a panic into a failure. broken is true if a part of
// the answer had been written by then.
func (s *Stack) recoverPanic(w *recorder, r *http.Request, v *request, next http.Handler) (broken bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		broken = w.status != 0
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares the value too
			broken = true
			return
		}
		v.err, v.panicked = errors.Join(v.err, panicError(p)), true
		if !broken {
			s.Answer(w, r, internalError)
		}
	}()
	next.ServeHTTP(w, r)
	return false
}

// panicError converts a panic. Only a value of the runtime is quoted: any other may
// contain what a client sent.
func panicError(p any) error {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	return fmt.Errorf("panic: %s\n%s", what, debug.Stack())
}

func (s *Stack) count(ctx context.Context, status int, v *request, took time.Duration) {
	class := strconv.Itoa(status/100) + "xx"
	if v.abandoned(status) {
		class = classClosed
	}
	s.metrics.requests.WithLabelValues(v.route, class).Inc()
	if status < http.StatusInternalServerError { // or one that fails late would miss the service level twice
		tracing.Observe(ctx, s.metrics.seconds.WithLabelValues(v.route), took.Seconds())
	}
}

func (s *Stack) logFailure(ctx context.Context, status int, v *request, took time.Duration) {
	if v.panicked || status >= http.StatusInternalServerError && !v.suppressed && !v.abandoned(status) {
		s.o.Log.ErrorContext(ctx, "a request failed", "route", v.route, "status", status, "error", v.err, "took", took)
	}
}

// endSpan names the span by the route: the path may contain personal data.
func (s *Stack) endSpan(span tracing.Span, method string, status int, v *request) {
	span.Name(v.route)
	span.Text("referral.site", s.o.Site)
	span.Text("http.route", v.route)
	span.Text("http.request.method", method)
	span.Number("http.response.status_code", int64(status))
	if v.panicked || status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(status))
		return
	}
	span.End(nil)
}

// abandoned reports whether a request failed because its client had disconnected:
// that must not raise an alert.
func (v *request) abandoned(status int) bool {
	return v.disconnected && !v.panicked && status >= http.StatusInternalServerError && errors.Is(v.err, context.Canceled)
}

// recorder records the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int // 0 before the first write
}

// WriteHeader records the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write records the implicit status 200.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is called by http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Status returns the status of the answer; 200 if the handler wrote nothing.
func (r *recorder) Status() int { return max(r.status, http.StatusOK) }
