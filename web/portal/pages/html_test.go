package pages_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"referral/models"
	"referral/web/portal"
)

func TestMarkupOfEveryPage(t *testing.T) {
	for name, page := range every(t) {
		t.Run(name, func(t *testing.T) {
			page.t = t
			page.checkFrame()
			page.checkIDs()
			page.checkFields()
			page.checkHeadings()
			page.checkNothingInline()
			page.checkAddresses()
		})
	}
}

func (p *shown) checkFrame() {
	p.t.Helper()
	root := p.all("html")[0]
	if !strings.HasPrefix(p.HTML, "<!DOCTYPE html>") || attr(root, "lang") != "ru" {
		p.t.Error("no page in Russian by its first lines")
	}
	if title := p.all("title"); len(title) != 1 || words(title[0]) == "" {
		p.t.Error("no title")
	}
	if len(p.all("main")) != 1 || p.id("main") == nil {
		p.t.Error("no main part that the skip link leads to")
	}
	if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		p.t.Errorf("headers %v", p.Header)
	}
}

// checkIDs: an id is there once, and what refers to one finds it.
func (p *shown) checkIDs() {
	p.t.Helper()
	ids := map[string]int{}
	for d := range p.doc.Descendants() {
		if has(d, "id") {
			ids[attr(d, "id")]++
		}
	}
	for id, n := range ids {
		if n > 1 || id == "" {
			p.t.Errorf("%d elements have the id %q", n, id)
		}
	}
	for d := range p.doc.Descendants() {
		for _, name := range []string{"for", "aria-labelledby", "aria-describedby", "data-copy", "data-dialog"} {
			for _, id := range strings.Fields(attr(d, name)) {
				if ids[id] == 0 {
					p.t.Errorf("%s=%q of <%s> leads nowhere", name, id, d.Data)
				}
			}
		}
		if id, ok := strings.CutPrefix(attr(d, "href"), "#"); ok && ids[id] == 0 {
			p.t.Errorf("the link #%s leads nowhere", id)
		}
	}
}

// checkFields: what is filled in has a label, what is wrong says why, and every
// button and link has a name.
func (p *shown) checkFields() {
	p.t.Helper()
	labels := map[string]bool{}
	for _, label := range p.all("label") {
		labels[attr(label, "for")] = words(label) != ""
	}
	for _, input := range p.all("input") {
		kind := attr(input, "type")
		wrapped := input.Parent.Data == "label" && words(input.Parent) != ""
		if kind != "hidden" && !wrapped && !labels[attr(input, "id")] {
			p.t.Errorf("the field %q has no label", attr(input, "id"))
		}
		if attr(input, "aria-invalid") == "true" && !has(input, "aria-describedby") {
			p.t.Errorf("the field %q is wrong and does not say why", attr(input, "id"))
		}
	}
	for _, named := range append(p.all("button"), p.all("a")...) {
		if words(named) == "" && attr(named, "aria-label") == "" {
			p.t.Errorf("a <%s> has no name", named.Data)
		}
	}
}

// checkHeadings: one of the first level, which comes first, and no level left out.
func (p *shown) checkHeadings() {
	p.t.Helper()
	var levels []int
	for d := range p.doc.Descendants() {
		if d.Type == html.ElementNode && len(d.Data) == 2 && d.Data[0] == 'h' && d.Data[1] >= '1' && d.Data[1] <= '6' {
			levels = append(levels, int(d.Data[1]-'0'))
		}
	}
	if len(levels) == 0 || levels[0] != 1 || slices.Contains(levels[1:], 1) {
		p.t.Errorf("headings %v: want one of the first level, and it first", levels)
	}
	for i := 1; i < len(levels); i++ {
		if levels[i] > levels[i-1]+1 {
			p.t.Errorf("headings %v leave a level out", levels)
		}
	}
}

// checkNothingInline: the policy allows neither scripts nor styles in a page.
func (p *shown) checkNothingInline() {
	p.t.Helper()
	for d := range p.doc.Descendants() {
		for _, a := range d.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				p.t.Errorf("<%s %s=%q>", d.Data, a.Key, a.Val)
			}
		}
	}
	if len(p.all("style"))+len(p.all("iframe"))+len(p.all("img")) > 0 {
		p.t.Error("a style, frame or picture that the pages do not have")
	}
	if scripts := p.all("script"); len(scripts) != 1 || words(scripts[0]) != "" || !has(scripts[0], "defer") {
		p.t.Errorf("%d scripts; want the one file", len(scripts))
	}
}

// checkAddresses: nothing is loaded from, sent to or linked at another host.
func (p *shown) checkAddresses() {
	p.t.Helper()
	for d := range p.doc.Descendants() {
		for _, name := range []string{"href", "src", "action", "formaction", "srcset", "data", "poster", "xlink:href"} {
			address := attr(d, name)
			own := address == "" || strings.HasPrefix(address, "#") || strings.HasPrefix(address, "/referral")
			if !own {
				p.t.Errorf("<%s %s=%q> leads away", d.Data, name, address)
			}
		}
	}
}

// Every link and form of every page leads to a page.
func TestNoLinkIsDead(t *testing.T) {
	s := open(t)
	for name, page := range every(t) {
		for _, a := range page.all("a") {
			href, _, _ := strings.Cut(attr(a, "href"), "#")
			if href == "" || name == "away" {
				continue
			}
			account := accountOf(name)
			if got := s.get(account, href); got.Status != http.StatusOK {
				t.Errorf("%s: %s answers %d", name, href, got.Status)
			}
		}
	}
}

func accountOf(page string) int64 {
	if strings.HasPrefix(page, "full") || page == "second part" {
		return full
	}
	return inviter
}

func TestNamesAreEscaped(t *testing.T) {
	for _, payload := range hostileNames {
		service := scenes()
		service.decisions[models.NormalCode("unknown"+payload)] = portal.ActivationResult{Reason: models.UnknownCode}
		for _, account := range []int64{newcomer, inviter} {
			sc := service.scenes[account]
			sc.overview.Name = payload
			for i := range sc.friends {
				sc.friends[i].Name = payload
			}
			for i := range sc.invitations {
				sc.invitations[i].Recipient = payload
			}
			e := sc.why["INV-2026-04-885"]
			for i := range e.ByLine {
				e.ByLine[i].Service = payload
			}
		}
		s := openOver(t, service)
		for _, page := range []*shown{
			s.get(newcomer, "/referral"), s.get(inviter, "/referral"), s.get(inviter, "/referral/friends"), s.get(inviter, "/referral/invitations"),
			s.get(inviter, "/referral/history"), s.get(inviter, "/referral/history/INV-2026-04-885"), s.get(inviter, "/referral/invite"),
			s.post(newcomer, "/referral/activate", "code", "unknown"+payload), s.get(newcomer, "/referral?code="+urlEscaped(payload)),
			s.post(inviter, "/referral/invite", "channel", "email", "email", payload),
		} {
			page.t = t
			page.checkNothingInline()
			page.checkAddresses()
			page.checkIDs()
		}
		if got := words(s.get(inviter, "/referral/friends").all("tbody")[0]); !strings.Contains(got, strings.Join(strings.Fields(payload), " ")) {
			t.Errorf("the name %q is shown as %q", payload, got)
		}
	}
}

var hostileNames = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `</title><script>alert(1)</script>`,
	`javascript:alert(1)`, `" autofocus onfocus=alert(1) x="`, `{{.SignOut}}`, `<style>*{display:none}</style>`, `<a href=//evil.example>x</a>`,
	`</table></main><form action=https://evil.example>`, `<base href=//evil.example>`, `&lt;script&gt;`, `<input id=code>`,
}
