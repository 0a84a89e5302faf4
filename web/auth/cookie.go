package auth

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// pendingSuffix is appended to the name of the session cookie.
const pendingSuffix = "-sign-in"

func (a *Authenticator) sessionCookie() string { return a.cookieName(a.options.Cookie) }

func (a *Authenticator) pendingCookie() string { return a.cookieName(a.options.Cookie + pendingSuffix) }

// cookieName adds a prefix with which browsers accept the cookie from this host over
// https only. On a loopback host there may be no https.
func (a *Authenticator) cookieName(name string) string {
	if a.secure {
		return "__Host-" + name
	}
	return name
}

// newCookie returns a cookie that scripts cannot read and that is not sent with
// requests of other sites, except navigation: the redirect back from the provider.
func (a *Authenticator) newCookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: a.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func (a *Authenticator) dropCookie(w http.ResponseWriter, name string) {
	cookie := a.newCookie(name, "")
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}

const maxReturnPath = 512

// localPath returns the path of the site to go to after the sign-in. It is base, the home
// page, unless text is certainly a path under it.
func localPath(base, text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > maxReturnPath, strings.ContainsFunc(text, unsafeInPath):
	case strings.Contains(u.Path, `\`), strings.Contains(u.Path, ".."):
	case u.IsAbs(), u.Host != "", u.User != nil, u.Opaque != "", path.Clean(u.Path) != u.Path:
	case u.EscapedPath() != base && !strings.HasPrefix(u.EscapedPath(), base+"/"): // an escaped slash is not a separator
	case strings.HasPrefix(u.Path, base+SignInPath), u.Path == base+SignOutPath, u.Path == base+SignedOutPath:
	default:
		u.Fragment, u.RawFragment = "", ""
		return u.String()
	}
	return base
}

// unsafeInPath reports characters that browsers interpret differently.
func unsafeInPath(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }
