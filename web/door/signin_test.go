package door_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/web/door"
	"referral/web/door/doortest"
)

// who answers with who was let in.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	v, _ := door.VisitorOf(r.Context())
	fmt.Fprintf(w, "client %d, by token %v", v.AccountID, v.Bearer)
})

func routes() []door.Route {
	return []door.Route{
		{Pattern: "GET /referral", Rule: door.ClientPage, Handler: who},
		{Pattern: "GET /referral/friends/{id}", Rule: door.ClientPage, Handler: who},
		{Pattern: "POST /referral/join", Rule: door.ClientPage, Handler: who},
		{Pattern: "GET /api/v1/standing", Rule: door.ClientAPI, Handler: who},
		{Pattern: "POST /api/v1/activation", Rule: door.ClientAPI, Handler: who},
		{Pattern: "GET /referral/about", Rule: door.Anyone, Handler: who},
		{Pattern: "POST /referral/opt-out/{token}", Rule: door.Anyone, Handler: who},
	}
}

func rig(t *testing.T, o doortest.Options) *doortest.Rig {
	t.Helper()
	r := doortest.New(t, o)
	r.Serve(routes())
	return r
}

func TestEveryRouteAsEverybody(t *testing.T) {
	rig(t, doortest.Options{}).Matrix(t, doortest.Matrix{
		Routes: routes(), Own: 885, Other: 901, Secrets: []string{"client 885"},
		Paths: map[string]string{"GET /referral/friends/{id}": "/referral/friends/901?page=2", "POST /referral/opt-out/{token}": "/referral/opt-out/x"},
	})
}

// A client that asks for a page gets it after signing in, and gets in without
// asking from then on.
func TestSignIn(t *testing.T) {
	r := rig(t, doortest.Options{})
	browser := r.Browser()
	asked := r.Get(browser, "/referral/friends/7?page=2")
	if !strings.HasPrefix(asked.URL.String(), r.Provider.Issuer()) || asked.Status != http.StatusOK {
		t.Fatalf("landed on %s with %d", asked.URL, asked.Status)
	}
	landed := r.Post(browser, r.Provider.Issuer()+"/sign-in", url.Values{"id": {asked.URL.Query().Get("id")}, "account": {"885"}})
	if landed.URL.String() != r.URL+"/referral/friends/7?page=2" || landed.Body != "client 885, by token false" {
		t.Errorf("landed on %s: %s", landed.URL, landed.Body)
	}
	if again := r.Get(browser, "/api/v1/standing"); again.Body != "client 885, by token false" {
		t.Errorf("the API says %d %s", again.Status, again.Body)
	}
	if stranger := r.Get(r.Browser(), "/referral"); !strings.HasPrefix(stranger.URL.String(), r.Provider.Issuer()) {
		t.Errorf("a stranger landed on %s", stranger.URL)
	}
}
