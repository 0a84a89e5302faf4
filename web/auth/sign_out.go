package auth

import (
	"fmt"
	"net/http"

	"referral/web/middleware"
)

// signOut ends the session here, and then at the provider: otherwise the next sign-in
// would succeed without a password.
func (a *Authenticator) signOut(w http.ResponseWriter, r *http.Request) {
	hint := ""
	if t, ok := a.tokenOf(r); ok {
		closed, _, err := a.options.Sessions.CloseSession(r.Context(), t.id())
		if err != nil { // the session is still valid, and its user must know
			middleware.RecordError(r.Context(), fmt.Errorf("signing out: %w", err))
			a.answer(w, r, errStorage.page)
			return
		}
		hint = t.unseal(closed.Hint)
	}
	a.dropCookie(w, a.sessionCookie())
	a.dropCookie(w, a.pendingCookie())
	http.Redirect(w, r, a.afterSignOut(hint), http.StatusSeeOther)
}

// afterSignOut returns the URL to which a browser is redirected after signing out.
func (a *Authenticator) afterSignOut(hint string) string {
	p := a.provider.Load()
	if p == nil || p.endSession == nil {
		return a.options.Base + SignedOutPath
	}
	to := *p.endSession
	query := to.Query() // some providers have a query of their own
	query.Set("client_id", a.options.SignIn.ClientID)
	query.Set("post_logout_redirect_uri", a.public+a.options.Base+SignedOutPath)
	if hint != "" {
		query.Set("id_token_hint", hint)
	}
	to.RawQuery = query.Encode()
	return to.String()
}

func (a *Authenticator) signedOut(w http.ResponseWriter, r *http.Request) {
	a.answer(w, r, pageSignedOut)
}
