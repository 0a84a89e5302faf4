package auth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"referral/models"
	"referral/web/auth/authtest"
)

// noted is a store of sessions that reports when the use of one is recorded.
type noted struct {
	*authtest.Memory
	touched chan models.Session
}

func newNoted() noted {
	return noted{authtest.NewMemory(), make(chan models.Session, 100)}
}

func (n noted) TouchSession(ctx context.Context, s models.Session, since time.Time) error {
	err := n.Memory.TouchSession(ctx, s, since)
	n.touched <- s
	return err
}

func in(t *testing.T, r *authtest.Rig, browser *http.Client) bool {
	t.Helper()
	return r.Get(browser, "/api/v1/standing").Status == http.StatusOK
}

func TestIdleTimeAndLifetime(t *testing.T) {
	sessions := newNoted()
	r := rig(t, authtest.Options{Sessions: sessions})
	idle, busy := r.SignedIn(885), r.SignedIn(901)
	for age := time.Duration(0); age < authtest.Lifetime; age += 20 * time.Minute {
		if !in(t, r, busy) {
			t.Fatalf("the busy client was thrown out after %s", age)
		}
		if age > 0 {
			<-sessions.touched // noted before the next look
		}
		if age > authtest.Idle && in(t, r, idle) {
			t.Fatalf("the idle client is still in after %s", age)
		}
		r.Advance(20 * time.Minute)
	}
	if in(t, r, busy) {
		t.Error("the busy client is in permanently")
	}
}

func TestUseOfASessionIsRecordedOnceAMinute(t *testing.T) {
	sessions := newNoted()
	r := rig(t, authtest.Options{Sessions: sessions})
	browser := r.SignedIn(885)
	for range 5 {
		in(t, r, browser)
	}
	r.Advance(61 * time.Second)
	in(t, r, browser)
	seen := <-sessions.touched
	for range 5 {
		in(t, r, browser)
	}
	r.Advance(61 * time.Second)
	in(t, r, browser)
	if next := <-sessions.touched; next.SeenAt.Sub(seen.SeenAt) < time.Minute {
		t.Errorf("noted at %s and at %s", seen.SeenAt, next.SeenAt)
	}
	if len(sessions.touched) != 0 {
		t.Errorf("noted %d times more", len(sessions.touched))
	}
}

// While the store of sessions is unavailable, requests get 503 instead of a redirect to
// the sign-in, signing out fails, and the log has one line per request.
func TestUnavailableSessions(t *testing.T) {
	memory := authtest.NewMemory()
	r := rig(t, authtest.Options{Sessions: memory})
	browser := r.SignedIn(885)
	memory.Fail(errors.New("the database is away"))
	for path, kind := range map[string]string{"/referral": "text/html", "/api/v1/standing": "application/problem+json"} {
		got := r.Get(browser, path)
		wantAnswer(t, got, http.StatusServiceUnavailable, "Сервис временно недоступен")
		if !strings.HasPrefix(got.Header.Get("Content-Type"), kind) || got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", path, got.Header)
		}
	}
	wantAnswer(t, r.Post(browser, authtest.SignOutPath, nil), http.StatusServiceUnavailable)
	wantAnswer(t, r.SignIn(r.Browser(), 885, ""), http.StatusServiceUnavailable)
	memory.Fail(nil)
	if !in(t, r, browser) {
		t.Error("the session is gone, though signing out has failed")
	}
	if log := r.Log.String(); strings.Count(log, "a request failed") != 4 || strings.Count(log, "the database is away") < 4 {
		t.Errorf("logged:\n%s", log)
	}
}
