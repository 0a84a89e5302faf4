package door

import (
	"fmt"
	"net/http"
)

// signOut ends the session here, and then at the provider: else the next sign-in
// would let the same client in without asking.
func (d *Door) signOut(w http.ResponseWriter, r *http.Request) {
	hint := ""
	if t, ok := d.tokenOf(r); ok {
		closed, _, err := d.o.Sessions.CloseSession(r.Context(), t.id())
		if err != nil { // the session still lives: nobody may be told otherwise
			NoteError(r.Context(), fmt.Errorf("signing out: %w", err))
			d.answer(w, r, noticeStorage)
			return
		}
		hint = t.unseal(closed.Hint)
	}
	d.dropCookie(w, sessionCookie)
	d.dropCookie(w, pendingCookie)
	http.Redirect(w, r, d.afterSignOut(hint), http.StatusSeeOther)
}

// afterSignOut is where a browser goes that has signed out here.
func (d *Door) afterSignOut(hint string) string {
	p := d.provider.Load()
	if p == nil || p.endSession == nil {
		return SignedOutPath
	}
	to := *p.endSession
	query := to.Query() // some providers have one of their own
	query.Set("client_id", d.o.SignIn.ClientID)
	query.Set("post_logout_redirect_uri", d.public+SignedOutPath)
	if hint != "" {
		query.Set("id_token_hint", hint)
	}
	to.RawQuery = query.Encode()
	return to.String()
}

func (d *Door) signedOut(w http.ResponseWriter, r *http.Request) { d.answer(w, r, noticeSignedOut) }
