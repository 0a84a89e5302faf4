package pages

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"referral/web/auth"
	"referral/web/portal"
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
		return nil, fmt.Errorf("pages: reading the templates: %w", err)
	}
	all := templates{}
	for _, name := range pageNames {
		page, err := around.Clone()
		if err == nil {
			page, err = page.ParseFS(templateFiles, "templates/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("pages: reading the template of %q: %w", name, err)
		}
		all[name] = page
	}
	return all, nil
}

// frame is a page with what stands around it.
type frame struct {
	Title    string // of the document
	Here     string // path of the tab that is open
	Tabs     []tab  // none: the page is not a client's own
	Account  int64  // 0 when nobody is known
	Name     string // of the client, where the page knows it
	SignOut  string
	HasError bool // the page says first what went wrong
	Body     any
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
	s, err := p.overview(ctx, account)
	return frame{Title: title, Here: here, Name: s.Name}, err
}

// render writes a page whole or, when its template fails, not at all.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) error {
	if principal, ok := auth.PrincipalOf(r.Context()); ok {
		f.Account, f.SignOut = principal.AccountID, portal.BasePath+auth.SignOutPath
	}
	if f.Here != "" {
		f.Tabs = tabsAt(f.Here)
	}
	var page bytes.Buffer
	if err := p.templates[name].Execute(&page, f); err != nil {
		return fmt.Errorf("%w: making the page %q: %w", errDefect, name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	// An error here is a client that has gone away.
	_, _ = w.Write(page.Bytes())
	return nil
}
