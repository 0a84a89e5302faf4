package door

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

const (
	sessionCookie = "referral"
	pendingCookie = "referral-sign-in"
)

// cookieName has a prefix that makes browsers refuse the cookie from anybody but
// this very host over https. On a loopback host there may be no https.
func (d *Door) cookieName(name string) string {
	if d.secure {
		return "__Host-" + name
	}
	return name
}

// newCookie is one that scripts cannot read and other sites cannot have sent,
// save by leading the browser here: which the way back from the provider does.
func (d *Door) newCookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: d.cookieName(name), Value: value, Path: "/", Secure: d.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func (d *Door) dropCookie(w http.ResponseWriter, name string) {
	cookie := d.newCookie(name, "")
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
}

const longestReturn = 512

// localPath is a place of the personal account to go to after the sign-in; the
// home page for anything that is not surely one.
func localPath(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, len(text) > longestReturn, strings.ContainsFunc(text, unsafeInPath):
	case strings.Contains(u.Path, `\`), strings.Contains(u.Path, ".."):
	case u.IsAbs(), u.Host != "", u.User != nil, u.Opaque != "", path.Clean(u.Path) != u.Path:
	case u.EscapedPath() != HomePath && !strings.HasPrefix(u.EscapedPath(), HomePath+"/"): // a slash that is written out is none
	case strings.HasPrefix(u.Path, SignInPath), u.Path == SignOutPath, u.Path == SignedOutPath:
	default:
		u.Fragment, u.RawFragment = "", ""
		return u.String()
	}
	return HomePath
}

// unsafeInPath is what browsers read in ways of their own.
func unsafeInPath(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }
