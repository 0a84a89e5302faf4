package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"referral/web/auth"
	"referral/web/portal/pages"
)

// site is the pages over a service, without authentication: each request says which
// account it is of.
type site struct {
	t       *testing.T
	service *fakeService
	pages   *pages.Pages
	mux     *http.ServeMux
}

func open(t *testing.T) *site { return openOver(t, scenes()) }

func openOver(t *testing.T, service *fakeService) *site {
	t.Helper()
	keys := 0
	p, err := pages.New(pages.Options{
		Service: service, Now: func() time.Time { return now }, Zone: moscow,
		NewKey: func() string { keys++; return fmt.Sprintf("key-%d", keys) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, service: service, pages: p, mux: http.NewServeMux()}
	for _, route := range p.Routes() {
		s.mux.Handle(route.Pattern, route.Handler)
	}
	return s
}

// shown is an answer parsed as a page.
type shown struct {
	t      *testing.T
	Status int
	Header http.Header
	Text   string // as it is read, blanks brought to one; non-breaking ones are "_"
	HTML   string
	doc    *html.Node
}

// nobody stands for a request without a principal.
const nobody = 0

func (s *site) get(account int64, target string) *shown {
	return s.do(account, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil))
}

func (s *site) post(account int64, target string, fields ...string) *shown {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(account, r)
}

func (s *site) do(account int64, r *http.Request) *shown {
	s.t.Helper()
	if account != nobody {
		r = r.WithContext(auth.WithPrincipal(r.Context(), auth.Principal{AccountID: account}))
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return read(s.t, w)
}

func read(t *testing.T, w *httptest.ResponseRecorder) *shown {
	t.Helper()
	page := &shown{t: t, Status: w.Code, Header: w.Header(), HTML: w.Body.String()}
	var err error
	if page.doc, err = html.Parse(strings.NewReader(page.HTML)); err != nil {
		t.Fatal(err)
	}
	page.Text = words(page.doc)
	return page
}

// words returns the text of an element.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	text := strings.ReplaceAll(b.String(), "\u00a0", "_")
	text = strings.Join(strings.Fields(text), " ")
	for _, mark := range []string{".", ",", ":", ")"} {
		text = strings.ReplaceAll(text, " "+mark, mark)
	}
	return text
}

func (p *shown) wants(status int, texts ...string) *shown {
	p.t.Helper()
	if p.Status != status {
		p.t.Errorf("status %d, want %d", p.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(p.Text, text) {
			p.t.Errorf("the page does not say %q; it says:\n%s", text, p.Text)
		}
	}
	return p
}

func (p *shown) lacks(texts ...string) *shown {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(p.Text, text) {
			p.t.Errorf("the page says %q:\n%s", text, p.Text)
		}
	}
	return p
}

func (p *shown) leadsTo(target string) {
	p.t.Helper()
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != target {
		p.t.Errorf("%d to %q, want 303 to %q: %s", p.Status, p.Header.Get("Location"), target, p.Text)
	}
}

// all returns the elements with a name.
func (p *shown) all(name string) []*html.Node {
	var found []*html.Node
	for d := range p.doc.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			found = append(found, d)
		}
	}
	return found
}

// id returns the element with an id; nil if there is none.
func (p *shown) id(id string) *html.Node {
	for d := range p.doc.Descendants() {
		if d.Type == html.ElementNode && attr(d, "id") == id {
			return d
		}
	}
	return nil
}

// field returns the value of a form field by its id.
func (p *shown) field(id string) (value string, ok bool) {
	n := p.id(id)
	if n == nil {
		return "", false
	}
	return attr(n, "value"), true
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// key returns the hidden key of the form that posts to a path.
func (p *shown) key(action string) string {
	p.t.Helper()
	for _, form := range p.all("form") {
		if attr(form, "action") != action {
			continue
		}
		for d := range form.Descendants() {
			if d.Type == html.ElementNode && attr(d, "name") == "key" {
				return attr(d, "value")
			}
		}
	}
	p.t.Fatalf("no form with a key posts to %s", action)
	return ""
}

// every returns all pages in all states.
func every(t *testing.T) map[string]*shown {
	t.Helper()
	s, all := open(t), map[string]*shown{}
	for name, account := range map[string]int64{"newcomer": newcomer, "latecomer": latecomer, "promised": promised, "inviter": inviter, "full": full,
		"terminated": terminated, "leaving": leaving, "outsider": outsider, "soon": soon, "waiting": waiting, "bare": bare, "both": both, "empty": empty, "unknown": unknown} {
		for _, path := range []string{"/referral", "/referral/friends", "/referral/history", "/referral/invitations", "/referral/invite"} {
			all[name+" "+path] = s.get(account, path)
		}
		all[name+" refused code"] = s.post(account, "/referral/activate", "code", "unknown")
	}
	all["linked"] = s.get(newcomer, "/referral?code=k7m-2qx-9pa")
	all["limit"] = s.post(newcomer, "/referral/activate", "code", "toomany")
	all["why"] = s.get(inviter, "/referral/history/INV-2026-04-885")
	all["second part"] = s.get(full, "/referral/friends?after=20")
	all["refused email"] = s.post(inviter, "/referral/invite", "channel", "email", "email", "never@example.ru")
	all["refused phone"] = s.post(inviter, "/referral/invite", "channel", "sms", "phone", "12")
	all["opt-out"] = s.get(nobody, "/referral/opt-out/"+goodToken)
	all["opted out"] = s.post(nobody, "/referral/opt-out/"+goodToken)
	all["bad token"] = s.post(nobody, "/referral/opt-out/other")
	all["nowhere"] = s.get(inviter, "/referral/history/INV-OF-ANOTHER")
	s.service.broken = errUnavailable
	all["away"] = s.get(inviter, "/referral")
	return all
}

var errUnavailable = fmt.Errorf("the database does not answer")
