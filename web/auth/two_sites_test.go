package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// A process can have authenticators for several sites: each has paths, cookies and
// metrics of its own.
func TestTwoSites(t *testing.T) {
	registry := prometheus.NewRegistry()
	for site, base := range map[string]string{"portal": "/referral", "finance": "/finance"} {
		o := validOptions()
		o.Site, o.Base, o.Cookie, o.Registerer = site, base, "cookie-of-"+site, registry
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		page := Route{Pattern: "GET " + base + "/x", Access: SignedInPage, Handler: http.NotFoundHandler()}
		handler, err := a.Mux([]Route{page})
		if err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/x", nil))
		if to := recorder.Header().Get("Location"); to != base+"/sign-in?return=%2F"+base[1:]+"%2Fx" {
			t.Errorf("%s: redirected to %q", site, to)
		}
		if got := a.sessionCookie(); got != "__Host-cookie-of-"+site {
			t.Errorf("%s: the session cookie is %s", site, got)
		}
	}
}
