package door

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"referral/models"
)

// token is what a browser shows to be let in: 256 random bits. It is kept by the
// browser alone.
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

// tokenOf is the token that a request shows.
func (d *Door) tokenOf(r *http.Request) (token, bool) {
	cookie, err := r.Cookie(d.cookieName(sessionCookie))
	if err != nil {
		return token{}, false
	}
	return parseToken(cookie.Value)
}

// errNobody says that nobody is signed in.
var errNobody = errors.New("nobody is signed in")

// touchEvery is how often it is written down that a client was seen.
const touchEvery = time.Minute

// session is that of a request; [errNobody], or why it could not be looked up.
func (d *Door) session(r *http.Request) (models.Session, error) {
	t, ok := d.tokenOf(r)
	if !ok {
		return models.Session{}, errNobody
	}
	now := d.o.Now()
	s, ok, err := d.o.Sessions.Session(r.Context(), t.id(), now)
	switch {
	case err != nil:
		return s, err
	case !ok:
		return s, errNobody
	}
	if now.Sub(s.SeenAt) >= touchEvery {
		d.touch(s, now)
	}
	return s, nil
}

// touch has it noted that a client was seen, without making it wait. A note that
// finds no room is given up: the next request brings another.
func (d *Door) touch(s models.Session, now time.Time) {
	s.SeenAt, s.ExpiresAt = now, now.Add(d.o.Idle)
	select {
	case d.touches <- s:
	default:
		d.metrics.dropped.Inc()
	}
}

func (d *Door) noteSeen(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case seen := <-d.touches:
			if err := d.o.Sessions.TouchSession(ctx, seen, seen.SeenAt.Add(-touchEvery)); err != nil && ctx.Err() == nil {
				d.metrics.dropped.Inc()
				d.log.Warn("it could not be noted that a client was seen", "error", err)
			}
		}
	}
}

// open begins a session under a new token, and gives that to the browser.
func (d *Door) open(ctx context.Context, w http.ResponseWriter, account int64, idToken string) error {
	var t token
	if _, err := io.ReadFull(d.o.Random, t[:]); err != nil {
		return fmt.Errorf("drawing a token: %w", err)
	}
	now := d.o.Now()
	err := d.o.Sessions.OpenSession(ctx, models.Session{
		ID: t.id(), AccountID: account, Hint: t.seal(idToken),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(d.o.Idle), EndsAt: now.Add(d.o.Lifetime),
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, d.newCookie(sessionCookie, t.String()))
	return nil
}

// longestHint is what still fits into the address of a sign-out.
const longestHint = 4096

// seal makes an ID token unreadable for everyone without t: it may name the
// client, and is needed only when that client signs out.
func (t token) seal(idToken string) []byte {
	if len(idToken) > longestHint {
		return nil
	}
	box := t.box()
	return box.Seal(nil, make([]byte, box.NonceSize()), []byte(idToken), nil)
}

// unseal is the ID token; empty when it was not kept.
func (t token) unseal(hint []byte) string {
	box := t.box()
	plain, err := box.Open(nil, make([]byte, box.NonceSize()), hint, nil)
	if err != nil {
		return ""
	}
	return string(plain)
}

// box has a key that is used for one message only, so that the nonce may be zero.
func (t token) box() cipher.AEAD {
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
