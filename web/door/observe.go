package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
)

// visit is what is known of a request while it is answered.
type visit struct {
	route string // pattern; never the path, which may name somebody
	err   error
	quiet bool
	panic bool
	gone  bool // the client has hung up
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{} // outside of a Mux nobody asks
}

// NoteError tells the door why a request fails, for the one line that is logged
// about it. The text of err must name nobody.
func NoteError(ctx context.Context, err error) {
	v := visitOf(ctx)
	v.err = errors.Join(v.err, err)
}

// quieten keeps a failure out of the log that stands there already.
func quieten(ctx context.Context) { visitOf(ctx).quiet = true }

// longestRequest bounds what a request may cost, waiting for the database included.
const longestRequest = 20 * time.Second

// unrouted stands for requests that no route is there for.
const unrouted = "none"

// observed counts and times a request by its route, logs it when it fails, and
// outlives its panic.
func (d *Door) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		v := &visit{route: unrouted}
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), visitKey{}, v), longestRequest)
		defer cancel()
		answer := &recorder{ResponseWriter: w}
		broken := d.survive(answer, r.WithContext(ctx), v, next)
		v.gone = r.Context().Err() != nil
		d.count(answer.Status(), v, time.Since(began))
		d.logFailure(answer.Status(), v, time.Since(began))
		if broken {
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
	})
}

// survive answers, and turns a panic into a failure. It is true when the answer
// had begun by then.
func (d *Door) survive(w *recorder, r *http.Request, v *visit, next http.Handler) (broken bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		broken = w.status != 0
		if p == http.ErrAbortHandler { //nolint:errorlint // that very value is the sign
			broken = true
			return
		}
		v.err, v.panic = errors.Join(v.err, panicked(p)), true
		if !broken {
			d.answer(w, r, noticeBroken)
		}
	}()
	next.ServeHTTP(w, r)
	return false
}

// panicked is a panic as an error. What it says is told only when the runtime said
// it: any other may quote what a client sent.
func panicked(p any) error {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	return fmt.Errorf("panic: %s\n%s", what, debug.Stack())
}

func (d *Door) count(status int, v *visit, took time.Duration) {
	class := strconv.Itoa(status/100) + "xx"
	if v.abandoned(status) {
		class = gone
	}
	d.metrics.requests.WithLabelValues(v.route, class).Inc()
	d.metrics.seconds.WithLabelValues(v.route).Observe(took.Seconds())
}

func (d *Door) logFailure(status int, v *visit, took time.Duration) {
	if v.panic || status >= http.StatusInternalServerError && !v.quiet && !v.abandoned(status) {
		d.log.Error("a request failed", "route", v.route, "status", status, "error", v.err, "took", took)
	}
}

// abandoned tells a request that failed because nobody waited for it any more: no
// client may raise an alarm by hanging up.
func (v *visit) abandoned(status int) bool {
	return v.gone && !v.panic && status >= http.StatusInternalServerError && errors.Is(v.err, context.Canceled)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int // 0 before the answer has begun
}

// WriteHeader begins the answer.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write goes on with the answer.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Status is that of the answer; a handler that wrote nothing answered 200.
func (r *recorder) Status() int { return max(r.status, http.StatusOK) }
