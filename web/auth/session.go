package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"referral/models"
)

// token is the session token of a browser: 256 random bits. Only its hash is stored
// here.
type token [32]byte

func (t token) id() models.SessionID { return sha256.Sum256(t[:]) }

func (t token) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

func parseToken(text string) (t token, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(t) {
		return t, false
	}
	return token(raw), true
}

// tokenOf returns the session token of a request.
func (a *Authenticator) tokenOf(r *http.Request) (token, bool) {
	cookie, err := r.Cookie(a.sessionCookie())
	if err != nil {
		return token{}, false
	}
	return parseToken(cookie.Value)
}

// seenInterval is how often the use of a session is recorded.
const seenInterval = time.Minute

// session returns the session of a request; [errUnauthenticated], or why it could not
// be looked up.
func (a *Authenticator) session(r *http.Request) (models.Session, error) {
	t, ok := a.tokenOf(r)
	if !ok {
		return models.Session{}, errUnauthenticated
	}
	now := a.options.Now()
	s, ok, err := a.options.Sessions.Session(r.Context(), t.id(), now)
	switch {
	case err != nil:
		return s, err
	case !ok:
		return s, errUnauthenticated
	}
	if now.Sub(s.SeenAt) >= seenInterval {
		a.queueSeen(s, now)
	}
	return s, nil
}

// queueSeen queues a record of the use of a session, without delaying the request. If the
// queue is full the record is dropped: the next request queues another.
func (a *Authenticator) queueSeen(s models.Session, now time.Time) {
	s.SeenAt, s.ExpiresAt = now, now.Add(a.options.Idle)
	select {
	case a.seen <- s:
	default:
		a.metrics.dropped.Inc()
	}
}

func (a *Authenticator) recordSeen(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case seen := <-a.seen:
			if err := a.options.Sessions.TouchSession(ctx, seen, seen.SeenAt.Add(-seenInterval)); err != nil && ctx.Err() == nil {
				a.metrics.dropped.Inc()
				a.log.WarnContext(ctx, "the use of a session could not be recorded", "error", err)
			}
		}
	}
}

// openSession creates a session with a new token, and sets its cookie.
func (a *Authenticator) openSession(ctx context.Context, w http.ResponseWriter, p Principal, idToken string) error {
	var t token
	_, _ = rand.Read(t[:]) // never fails
	now := a.options.Now()
	err := a.options.Sessions.OpenSession(ctx, models.Session{
		ID: t.id(), AccountID: p.AccountID, Staff: p.Staff, Hint: t.seal(idToken),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(a.options.Idle), EndsAt: now.Add(a.options.Lifetime),
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, a.newCookie(a.sessionCookie(), t.String()))
	return nil
}

// maxHint is the longest ID token that fits into the URL of a sign-out.
const maxHint = 4096

// seal encrypts an ID token with t: it may contain personal data, and is needed only to
// sign out.
func (t token) seal(idToken string) []byte {
	if len(idToken) > maxHint {
		return nil
	}
	box := t.cipher()
	return box.Seal(nil, make([]byte, box.NonceSize()), []byte(idToken), nil)
}

// unseal returns the ID token; empty if it was not stored.
func (t token) unseal(hint []byte) string {
	box := t.cipher()
	plain, err := box.Open(nil, make([]byte, box.NonceSize()), hint, nil)
	if err != nil {
		return ""
	}
	return string(plain)
}

// cipher has a key that is used for one message only, so the nonce may be zero.
func (t token) cipher() cipher.AEAD {
	block, err := aes.NewCipher(derivedKey(t, "id token"))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	box, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 bytes
	}
	return box
}
