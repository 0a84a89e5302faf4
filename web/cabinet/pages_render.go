package cabinet

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"referral/web/door"
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages by name, each with the layout and the parts around it.
type templates map[string]*template.Template

var pageNames = []string{"joining", "home", "friends", "history", "why", "invite", "invitations", "optout", "error"}

func readTemplates(a assets) (templates, error) {
	around, err := template.New("layout.html").Funcs(template.FuncMap{"asset": a.path}).
		ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/icons.html")
	if err != nil {
		return nil, fmt.Errorf("cabinet: reading the templates: %w", err)
	}
	all := templates{}
	for _, name := range pageNames {
		page, err := around.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("cabinet: reading the template of %q: %w", name, err)
		}
		all[name] = page
	}
	return all, nil
}

// frame is a page with what stands around it.
type frame struct {
	Title   string // of the document
	Here    string // path of the tab that is open
	Tabs    []tab  // none: the page is not a client's own
	Account int64  // 0 when nobody is known
	Name    string // of the client, where the page knows it
	SignOut string
	Trouble bool // the page says first what went wrong
	Body    any
}

type tab struct {
	Name, Path string
	Here       bool
}

// The tabs, in the words of the customer's text.
var tabs = []tab{
	{Name: "Мой код", Path: pathHome},
	{Name: "История скидок", Path: pathHistory},
	{Name: "Приглашения", Path: pathInvitations},
	{Name: "Приведенные клиенты", Path: pathFriends},
	{Name: "Таблица скидок", Path: pathTable},
}

func tabsAt(here string) []tab {
	all := make([]tab, len(tabs))
	for i, t := range tabs {
		t.Here = t.Path == here
		all[i] = t
	}
	return all
}

// own is the frame of a client's page, with its name.
func (p *Pages) own(ctx context.Context, account int64, title, here string) (frame, error) {
	s, err := p.standing(ctx, account)
	return frame{Title: title, Here: here, Name: s.Name}, err
}

// render writes a page whole or, when its template fails, not at all.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) error {
	if visitor, ok := door.VisitorOf(r.Context()); ok {
		f.Account, f.SignOut = visitor.AccountID, p.o.SignOut
	}
	if f.Here != "" {
		f.Tabs = tabsAt(f.Here)
	}
	var page bytes.Buffer
	if err := p.templates[name].Execute(&page, f); err != nil {
		return fmt.Errorf("%w: making the page %q: %w", errDefect, name, err)
	}
	p.guard(w.Header())
	w.WriteHeader(status)
	// An error here is a client that has gone away.
	_, _ = w.Write(page.Bytes())
	return nil
}

// guard is what a browser has to know of a page: that it is for one person, loads
// nothing from elsewhere, and runs no script but the pages' own. The referrer
// stays within the site, for addresses may carry a code; "no-referrer" would take
// the origin from forms as well.
func (p *Pages) guard(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
}

func policy(formTargets []string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
		strings.Join(append([]string{"form-action 'self'"}, formTargets...), " "),
		"base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
	}, "; ")
}
