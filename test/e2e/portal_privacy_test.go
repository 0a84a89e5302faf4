package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"referral/test/browser"
)

// markers is personal data that exists nowhere else, by what it is. None of it
// may fly where it is not needed.
type markers map[string]string

// TestPersonalDataIsNeitherLoggedNorMeasured takes clients through everything, with the
// log as talkative as it gets, and then looks for what they are, said and were
// given: in the log, in the metrics, in the headers of dead letters.
func TestPersonalDataIsNeitherLoggedNorMeasured(t *testing.T) {
	f, settings := newFriends(t)
	c := newPortalWorld(t, append(settings, "REFERRAL_LOG_LEVEL=debug")...)
	known := markers{
		"name of the inviter": "Канарейкинцентр", "name of the friend": "Щегловснаб",
		"tax id of the inviter": "7730401917", "tax id of the friend": "7730402928",
		"mail of the inviter": "kanar@canary-a.ru", "telephone of the inviter": "+79037654321",
		"mail that was invited": "zyablik@canary-b.ru", "telephone that was invited": "79261239876",
		"wrong code": "WRNGCANRY", "bad address": "snegir@canary-c",
	}
	register := func(account int64, who string) message {
		return fact("registered", "/pbx", "pbx.registered.v1", fmt.Sprint("r-", account), account,
			`{"account_id":%d,"name":%q,"tax_id":%q,"registered_at":%q,"email":%q,"phone":%q}`,
			account, known["name of the "+who], known["tax id of the "+who], before(3), known["mail of the inviter"], known["telephone of the inviter"])
	}
	c.send(register(inviter, "inviter"), register(invitee, "friend"))
	c.learnCodes(inviter, invitee)
	known["code of the inviter"], known["code of the friend"] = c.codes[inviter], c.codes[invitee]
	c.sendBroken(known)

	a := takePart(t, c, inviter, browser.Options{})
	invite(t, a, "Отправить email", "Email получателя", known["mail that was invited"])
	known["token of opting out"] = lastPart(optOut.FindString(f.letter(t, known["mail that was invited"]).Text))
	c.to(a, "/referral/invite")
	a.Fill("Email получателя", known["bad address"])
	a.Follow(func() { a.Click("Пригласить") })
	c.to(a, "/referral")
	invite(t, a, "Отправить SMS", "Телефон получателя", known["telephone that was invited"])
	f.short(t, 1)

	b := c.visit(t, invitee, "/referral?code="+known["wrong code"], browser.Options{})
	enterCode(b, known["wrong code"])
	enterCode(b, known["code of the inviter"])
	b.WaitText("Код принят")
	known.learnSecrets(t, c, a, "inviter")
	known.learnSecrets(t, c, b, "friend")
	known["bearer token"] = c.identity.Token(inviter)
	c.ask(known["bearer token"], http.StatusOK)
	c.ask(known["bearer token"]+"x", http.StatusUnauthorized)
	http.DefaultClient.CloseIdleConnections() // else the server waits for them when it stops
	c.send(bill(inviter, today().Period(), deal))
	c.drained()
	c.must("run", today().Period().String())
	c.published()

	metrics := c.fetch("http://" + c.server.admin + "/metrics")
	if status := c.server.stop(); status != 0 {
		t.Errorf("serve ends with status %d", status)
	}
	known.look(t, "the log", c.server.log.all())
	known.look(t, "the metrics", metrics)
	c.lookAtDeadLetters(known)
}

// sendBroken sends messages that cannot be read, full of what is personal.
func (c *portalWorld) sendBroken(known markers) {
	c.t.Helper()
	for i, data := range []string{
		fmt.Sprintf(`{"account_id":905,"name":%q,"tax_id":7,"registered_at":%q}`, known["name of the inviter"], before(1)),
		fmt.Sprintf(`{"account_id":%q,"name":"x","tax_id":"1","registered_at":%q}`, known["name of the friend"], before(1)),
		fmt.Sprintf(`{"account_id":905,"name":"x","tax_id":"1","registered_at":%q}`, known["tax id of the inviter"]),
	} {
		c.send(fact("registered", "/pbx", "pbx.registered.v1", fmt.Sprint("broken-", i), 905, "%s", data))
	}
	c.send(message{topic: "registered", key: "905", value: []byte(known["mail of the inviter"] + " is no JSON")})
	c.send(fact("activation", "/cabinet", "referral.activation-requested.v1", "broken-a", 905, `{"account_id":905,"code":[%q],"requested_at":"x"}`, known["code of the inviter"]))
	c.until("the broken ones to be set aside", func() (bool, string) {
		n := len(c.records("dead_letters"))
		return n == 5, fmt.Sprint(n)
	})
}

// learnSecrets adds what a browser was given: the session, and what the sign-in
// went by.
func (known markers) learnSecrets(t *testing.T, c *portalWorld, p *browser.Page, who string) {
	t.Helper()
	cookies := p.Cookies()
	if len(cookies) == 0 {
		t.Fatal("nobody is signed in")
	}
	for name, value := range cookies {
		known["cookie "+name+" of the "+who] = value
	}
	for _, asked := range p.RequestedURLs() {
		address, err := url.Parse(asked)
		if err != nil || !strings.HasSuffix(address.Path, "/callback") || !strings.HasPrefix(asked, c.site) {
			continue
		}
		for _, name := range []string{"code", "state"} {
			if value := address.Query().Get(name); value != "" {
				known["sign-in's "+name+" of the "+who] = value
			}
		}
	}
	if known["sign-in's code of the "+who] == "" {
		t.Fatalf("no sign-in was seen among %q", p.RequestedURLs())
	}
}

// look searches a text for all of them, however they may be written.
func (known markers) look(t *testing.T, where, text string) {
	t.Helper()
	if len(text) == 0 {
		t.Fatalf("%s is empty", where)
	}
	text = strings.ToLower(text)
	for what, value := range known {
		if len(value) < 6 {
			t.Fatalf("the %s is too short to be told from anything else: %q", what, value)
		}
		for _, written := range []string{value, url.QueryEscape(value), strings.Trim(jsonText(value), `"`)} {
			if at := strings.Index(text, strings.ToLower(written)); at >= 0 {
				t.Errorf("%s holds the %s: …%s…", where, what, text[max(0, at-120):min(len(text), at+60)])
				break
			}
		}
	}
}

func (c *portalWorld) lookAtDeadLetters(known markers) {
	c.t.Helper()
	for _, r := range c.records("dead_letters") {
		var headers strings.Builder
		for name, value := range r.header {
			fmt.Fprintf(&headers, "%s: %s\n", name, value)
		}
		known.look(c.t, "a dead letter's header", headers.String())
	}
}

// ask asks the API with a token.
func (c *portalWorld) ask(token string, status int) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.site+"/api/v1/standing", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		c.t.Errorf("the API answers %s, want %d", answer.Status, status)
	}
}

func lastPart(address string) string { return address[strings.LastIndex(address, "/")+1:] }
