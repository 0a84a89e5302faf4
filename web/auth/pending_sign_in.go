package auth

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pendingSignIn is a sign-in that has been sent to the provider and has not returned.
// It is stored in a cookie, which binds it to the browser. Changing the cookie only
// breaks a sign-in of the same browser.
type pendingSignIn struct {
	secret   [32]byte
	began    time.Time
	returnTo string // local path

	// Derived from the secret: state binds the sign-in to the browser, nonce to the ID
	// token, verifier to the code (PKCE).
	state, nonce, verifier string
}

const (
	pendingLifetime = 15 * time.Minute
	maxPending      = 3 // concurrent sign-ins of one browser
)

func newPendingSignIn(now time.Time, returnTo string) pendingSignIn {
	p := pendingSignIn{began: now, returnTo: returnTo}
	_, _ = rand.Read(p.secret[:]) // never fails
	p.derive()
	return p
}

func (p *pendingSignIn) derive() {
	p.state, p.nonce, p.verifier = derived(p.secret, "state"), derived(p.secret, "nonce"), derived(p.secret, "code verifier")
}

// derived returns a secret derived from another one, independent of other purposes.
func derived(secret [32]byte, purpose string) string {
	return base64.RawURLEncoding.EncodeToString(derivedKey(secret, purpose))
}

func derivedKey(secret [32]byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret[:], nil, purpose, 32)
	if err != nil {
		panic(err) // fails only for keys longer than the hash allows
	}
	return key
}

func (p *pendingSignIn) is(state string) bool {
	return subtle.ConstantTimeCompare([]byte(p.state), []byte(state)) == 1
}

// String is the sign-in as stored in the cookie.
func (p *pendingSignIn) String() string {
	return base64.RawURLEncoding.EncodeToString(p.secret[:]) + "." + strconv.FormatInt(p.began.Unix(), 36) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(p.returnTo))
}

func parsePendingSignIn(base, text string) (p pendingSignIn, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return p, false
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil || len(secret) != len(p.secret) {
		return p, false
	}
	began, err := strconv.ParseInt(parts[1], 36, 64)
	if err != nil {
		return p, false
	}
	returnTo, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return p, false
	}
	p.secret, p.began, p.returnTo = [32]byte(secret), time.Unix(began, 0), localPath(base, string(returnTo))
	p.derive()
	return p, true
}

// pendingSignIns returns the pending sign-ins of a browser, the newest first.
func (a *Authenticator) pendingSignIns(r *http.Request) []pendingSignIn {
	cookie, err := r.Cookie(a.pendingCookie())
	if err != nil {
		return nil
	}
	var all []pendingSignIn
	for text := range strings.SplitSeq(cookie.Value, "!") {
		p, ok := parsePendingSignIn(a.options.Base, text)
		if age := a.options.Now().Sub(p.began); ok && age > -pendingLifetime && age < pendingLifetime && len(all) < maxPending {
			all = append(all, p)
		}
	}
	return all
}

func (a *Authenticator) setPendingSignIns(w http.ResponseWriter, all []pendingSignIn) {
	texts := make([]string, min(len(all), maxPending))
	for i := range texts {
		texts[i] = all[i].String()
	}
	cookie := a.newCookie(a.pendingCookie(), strings.Join(texts, "!"))
	cookie.MaxAge = int(pendingLifetime.Seconds())
	if len(texts) == 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
