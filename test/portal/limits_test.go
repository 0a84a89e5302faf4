package portal

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"referral/models"
	"referral/web/portal"
)

func limited(account, address, overall int) func(*portal.Options) {
	return func(o *portal.Options) {
		o.Limits = portal.Limits{
			Account: portal.Limit{Wrong: account, In: 24 * time.Hour}, Address: portal.Limit{Wrong: address, In: time.Hour}, Overall: portal.Limit{Wrong: overall, In: time.Hour},
		}
	}
}

func (r *fixture) enterFrom(account int64, code, from string) answer {
	r.Helper()
	return r.call(call{account: account, method: http.MethodPost, path: "/activations", body: map[string]string{"code": code}, from: from})
}

// Beyond the limit a right code gets the same answer as a wrong one, with Retry-After;
// later it is accepted.
func TestLimitByAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(3, 100, 1000))
	r.kafka(registered(885, "2025-06-01T09:00:00Z"), registered(901, "2026-03-20T09:00:00Z"), registered(902, "2026-03-20T09:00:00Z"), registered(903, "2026-03-20T09:00:00Z"))
	good := r.codeOf(885)
	r.expect(r.enter(903, good, ""), http.StatusOK, map[string]any{"accepted": true})
	for _, code := range []string{"QQQQQQQQQ", r.codeOf(901), "WRONG"} {
		r.expect(r.enter(901, code, ""), http.StatusOK, map[string]any{"accepted": false})
	}
	var said []string
	for _, code := range []string{"QQQQQQQQQ", good, "!", r.codeOf(901)} {
		a := r.enter(901, code, "key "+code) // which does not keep that answer
		r.expect(a, http.StatusTooManyRequests, map[string]any{"code": "too_many_wrong_codes"})
		said = append(said, a.header.Get("Retry-After")+a.text)
	}
	for _, s := range said {
		if s != said[0] || !strings.HasPrefix(s, "54000{") { // from 09:00 to midnight UTC
			t.Errorf("the answers differ: %q", said)
		}
	}
	r.expect(r.enter(902, good, ""), http.StatusOK, map[string]any{"accepted": true}) // others are not kept out
	r.later(15 * time.Hour)
	r.expect(r.enter(901, good, "key "+good), http.StatusOK, map[string]any{"accepted": true})
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901 AND code = $1", good); n != 1 {
		t.Errorf("the good code was looked at %d times", n)
	}
}

// Accepted codes and repeats are not counted.
func TestOnlyWrongCodesCount(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(1, 2, 3))
	r.kafka(registered(885, "2025-06-01T09:00:00Z"))
	code := r.codeOf(885)
	for i := range int64(5) {
		r.kafka(registered(901+i, "2026-03-20T09:00:00Z"))
		for range 2 {
			r.expect(r.enter(901+i, code, "k"), http.StatusOK, map[string]any{"accepted": true})
		}
	}
	r.expect(r.enter(901, "QQQQQQQQQ", "wrong"), http.StatusOK, map[string]any{"accepted": false})
	for range 3 {
		r.expect(r.enter(901, "QQQQQQQQQ", "wrong"), http.StatusOK, map[string]any{"accepted": false})
	}
	if n := r.number("SELECT max(tries) FROM code_tries"); n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// The limit by client IP covers all accounts, and a whole /64 of IPv6. Headers of a client
// are not trusted.
func TestLimitByClientIP(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(100, 3, 1000))
	wrong := func(account int64, from string, want int) {
		t.Helper()
		if a := r.enterFrom(account, "QQQQQQQQQ", from); a.status != want {
			t.Errorf("from %s: %d, want %d", from, a.status, want)
		}
	}
	for i := range int64(3) {
		wrong(901+i, fmt.Sprintf("[2001:db8:1:2::%d]:1234", i+1), http.StatusOK)
		wrong(901+i, "198.51.100.7:1", http.StatusOK)
	}
	wrong(904, "[2001:db8:1:2:ffff::9]:1234", http.StatusTooManyRequests)
	wrong(904, "[2001:db8:1:3::1]:1234", http.StatusOK)
	wrong(904, "198.51.100.7:2", http.StatusTooManyRequests)
	wrong(904, "[::ffff:198.51.100.7]:2", http.StatusTooManyRequests)
	wrong(904, "198.51.100.8:2", http.StatusOK)
	r.later(time.Hour)
	wrong(904, "198.51.100.7:2", http.StatusOK)
}

func TestLimitOverall(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(100, 100, 4))
	for i := range int64(6) {
		want := http.StatusOK
		if i >= 4 {
			want = http.StatusTooManyRequests
		}
		r.expect(r.enterFrom(901+i, "QQQQQQQQQ", fmt.Sprintf("198.51.100.%d:1", i)), want, nil)
	}
}

// impatient is a store whose clients disconnect while it works.
type impatient struct {
	portal.Store
	hangUp func()
}

func (i *impatient) ReserveAttempt(ctx context.Context, counters []models.AttemptLimit) (time.Time, error) {
	over, err := i.Store.ReserveAttempt(ctx, counters)
	i.hangUp()
	return over, err
}

func (i *impatient) Ingest(ctx context.Context, batch []models.DecodedMessage, derive models.DeriveFunc) ([]models.Disposition, error) {
	i.hangUp()
	return i.Store.Ingest(ctx, batch, derive)
}

// An attempt is counted, and completed, when its client disconnects.
func TestDisconnectedClientIsCounted(t *testing.T) {
	t.Parallel()
	store := &impatient{}
	r := newRig(t, limited(3, 100, 1000), func(o *portal.Options) { store.Store, o.Store = o.Store, store })
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	for i := range 6 {
		var ctx context.Context
		ctx, store.hangUp = context.WithCancel(t.Context())
		code := fmt.Sprint("WRONG", i)
		v, err := r.service.Activate(ctx, 901, portal.ActivationRequest{Code: code, Key: code, ClientIP: "198.51.100.7:1"})
		if err != nil || (v.Wait > 0) != (i >= 3) {
			t.Errorf("code %d: %+v, %v", i, v, err)
		}
	}
	if n := r.number("SELECT count(*) FROM activations"); n != 3 {
		t.Errorf("%d codes were looked at, want 3", n)
	}
	for _, scope := range []string{"account", "address", "overall"} {
		if n := r.number("SELECT tries FROM code_tries WHERE scope = $1", scope); n != 3 {
			t.Errorf("%s: %d are counted, want 3", scope, n)
		}
	}
	if n := r.number("SELECT count(*) FROM client_requests"); n != 3 {
		t.Errorf("%d requests are kept, want those that were answered", n)
	}
}

func TestLimitOfConcurrentRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(5, 1000, 1000))
	r.kafka(registered(901, "2026-03-20T09:00:00Z"))
	var looked atomic.Int64
	together(40, func(i int) {
		if r.enter(901, fmt.Sprint("WRONG", i), "").status == http.StatusOK {
			looked.Add(1)
		}
	})
	if n := r.number("SELECT count(*) FROM activations WHERE account_id = 901"); n != 5 || looked.Load() != 5 {
		t.Errorf("%d were looked at, %d answered", n, looked.Load())
	}
}
