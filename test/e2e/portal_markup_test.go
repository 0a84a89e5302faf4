package e2e

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"referral/test/browser"
)

// payloads are names that try to be more than text, one a line: tags, attributes,
// addresses, templates, escapes and control characters.
//
//go:embed testdata/markup.txt
var payloads string

// showNames is the shipped terms, with friends' names shown whole.
const showNames = `REFERRAL_PROGRAMME_TERMS=[{"effective_from":"2020-01-01","activation_window_months":1,"refuse_own_company":true,"show_friend_names":true,
"invitee":{"percent":20,"months":3},"ladder":[{"percent":20,"months":3},{"percent":40,"months":6},{"percent":60,"months":12,"sms":1200},
{"percent":80,"months":12},{"percent":100,"months":12,"sms":3200}],
"services":{"discounted":["subscription","numbers","calls","recording"],"excluded":["sms_package"]},
"brake":{"largest_total":1000000000,"largest_full_share":50,"largest_change":300,"smallest_count":1000}}]`

// TestNamesAreEscaped has fifty friends with such names, looks at every page
// as each of them, and has each write to somebody. The browser notices dialogs,
// breaches of the policy and requests to strangers by itself.
func TestNamesAreEscaped(t *testing.T) {
	f, settings := newFriends(t)
	c := newPortalWorld(t, append(settings, showNames)...)
	names := lines(payloads)
	if len(names) < 50 {
		t.Fatalf("%d payloads", len(names))
	}
	c.send(client(inviter, names[0], before(400)))
	c.learnCodes(inviter)
	for i, name := range names {
		account := inviter + 1 + int64(i)
		c.send(client(account, name, before(3)))
		c.send(activation(account, c.codes[inviter], before(2)), bill(account, today().Period(), deal))
	}
	c.drained()
	for i, name := range names {
		lookAround(t, c, inviter+1+int64(i), name)
	}
	seeFriends(t, c, names)
	readLetters(t, c, f, len(names))
}

// lookAround visits every page of an account, which bears its name.
func lookAround(t *testing.T, c *portalWorld, account int64, name string) {
	t.Helper()
	p := c.visit(t, account, "/referral", browser.Options{})
	pages := []string{"/referral", "/referral/friends", "/referral/history", "/referral/invite", "/referral/invitations",
		fmt.Sprintf("/referral/history/INV-%s-%d", today().Period(), account)}
	for _, page := range pages {
		c.to(p, page)
		harmless(t, p, page, name)
		if !p.Shows(name) {
			t.Errorf("%s of %q does not show the name as it is", page, name)
		}
	}
	c.to(p, "/referral/invite")
	p.Fill("Email получателя", fmt.Sprintf("friend%d@example.ru", account))
	p.Follow(func() { p.Click("Пригласить") })
}

// readLetters opens the mails in the browser, which runs whatever is in them.
func readLetters(t *testing.T, c *portalWorld, f *friends, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	mails, err := f.mail.Wait(ctx, "", n)
	if err != nil {
		t.Fatal(err)
	}
	reader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil || i >= len(mails) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, mails[i].HTML)
	}))
	t.Cleanup(reader.Close)
	p := browser.Open(t, browser.Options{Hosts: []string{strings.TrimPrefix(reader.URL, "http://")}})
	for i := range mails {
		p.Goto(fmt.Sprintf("%s/%d", reader.URL, i))
		harmless(t, p, "the mail", mails[i].Subject)
		if !p.Shows("Клиент t2 АТС приглашает вас") {
			t.Errorf("mail %d reads %s", i, p.Text())
		}
	}
}

// seeFriends turns the pages of the inviter's list to its end.
func seeFriends(t *testing.T, c *portalWorld, names []string) {
	t.Helper()
	p := c.visit(t, inviter, "/referral/friends", browser.Options{})
	missing := names
	for {
		harmless(t, p, "friends", "the list")
		var left []string
		for _, name := range missing {
			if !p.Shows(name) {
				left = append(left, name)
			}
		}
		if missing = left; len(missing) == 0 || !p.Shows("Показать более ранние") {
			break
		}
		p.Follow(func() { p.Click("Показать более ранние") })
	}
	if len(missing) > 0 {
		t.Errorf("the list of friends does not show %q as they are", missing)
	}
}

// harmless wants nothing of a name to have become a part of the page.
func harmless(t *testing.T, p *browser.Page, page, name string) {
	t.Helper()
	const changed = `window.pwned !== undefined || document.querySelector('[onerror],[onload],[onfocus],[onmouseover],[onclick],iframe,object,embed,base,math,video,audio,marquee,main script,main style,main link,main meta,a[href^="javascript:"],a[href^="data:"]') !== null`
	if browser.Eval[bool](p, changed) {
		t.Errorf("%s of %q: the name has become markup", page, name)
	}
}

func lines(text string) []string {
	var all []string
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		if line := scanner.Text(); line != "" {
			all = append(all, line)
		}
	}
	return all
}
