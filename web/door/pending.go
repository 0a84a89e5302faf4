package door

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// pending is a sign-in that has gone to the provider and not come back. It lives
// in a cookie of the browser that began it: so it is bound to that browser, and
// no flood of beginnings costs the service anything. Whoever changes the cookie
// only spoils a sign-in of his own.
type pending struct {
	secret  [32]byte
	began   time.Time
	backTo  string // local path
	oneTime        // all that is derived from the secret
}

// oneTime is what ties a sign-in's parts together: state to the browser, nonce to
// the ID token, verifier to the code (PKCE).
type oneTime struct{ state, nonce, verifier string }

const (
	pendingFor    = 15 * time.Minute
	pendingAtOnce = 3 // as many windows may be signing in at a time
)

func newPending(random io.Reader, now time.Time, backTo string) (pending, error) {
	p := pending{began: now, backTo: backTo}
	if _, err := io.ReadFull(random, p.secret[:]); err != nil {
		return p, err
	}
	p.derive()
	return p, nil
}

func (p *pending) derive() {
	p.oneTime = oneTime{derived(p.secret, "state"), derived(p.secret, "nonce"), derived(p.secret, "code verifier")}
}

// derived is a secret made of a secret, that tells nothing of the others.
func derived(secret [32]byte, purpose string) string {
	return base64.RawURLEncoding.EncodeToString(derivedKey(secret, purpose))
}

func derivedKey(secret [32]byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret[:], nil, purpose, 32)
	if err != nil {
		panic(err) // only a longer key than the hash allows is refused
	}
	return key
}

func (p *pending) is(state string) bool {
	return subtle.ConstantTimeCompare([]byte(p.state), []byte(state)) == 1
}

// String is the sign-in as it stands in the cookie.
func (p *pending) String() string {
	return base64.RawURLEncoding.EncodeToString(p.secret[:]) + "." + strconv.FormatInt(p.began.Unix(), 36) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(p.backTo))
}

func parsePending(text string) (p pending, ok bool) {
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
	backTo, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return p, false
	}
	p.secret, p.began, p.backTo = [32]byte(secret), time.Unix(began, 0), localPath(string(backTo))
	p.derive()
	return p, true
}

// pendings is the sign-ins that a browser has begun, the newest first.
func (d *Door) pendings(r *http.Request) []pending {
	cookie, err := r.Cookie(d.cookieName(pendingCookie))
	if err != nil {
		return nil
	}
	var all []pending
	for text := range strings.SplitSeq(cookie.Value, "!") {
		p, ok := parsePending(text)
		if age := d.o.Now().Sub(p.began); ok && age > -pendingFor && age < pendingFor && len(all) < pendingAtOnce {
			all = append(all, p)
		}
	}
	return all
}

func (d *Door) setPendings(w http.ResponseWriter, all []pending) {
	texts := make([]string, min(len(all), pendingAtOnce))
	for i := range texts {
		texts[i] = all[i].String()
	}
	cookie := d.newCookie(pendingCookie, strings.Join(texts, "!"))
	cookie.MaxAge = int(pendingFor.Seconds())
	if len(texts) == 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
