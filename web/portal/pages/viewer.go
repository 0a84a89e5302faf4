package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"referral/web/portal"
)

// Viewer shows the pages of a client to a member of staff: the same templates and the
// same data, with nothing to send. No client is signed in.
type Viewer struct {
	pages  *Pages
	assets string
}

// ViewerOptions configures a viewer. All fields are required.
type ViewerOptions struct {
	Reader portal.Reader
	Now    func() time.Time
	Zone   *time.Location // of the programme; times are shown in it
	Assets string         // path below which Asset is served, with a slash at its end
}

// NewViewer returns a viewer. The error says which option is missing.
func NewViewer(o ViewerOptions) (*Viewer, error) {
	if o.Reader == nil || o.Now == nil || o.Zone == nil || o.Assets == "" {
		return nil, errors.New("pages: a viewer needs Reader, Now, Zone and Assets")
	}
	p := &Pages{o: Options{Now: o.Now, Zone: o.Zone, NewKey: func() string { return "" }}, read: o.Reader}
	return &Viewer{p, o.Assets}, p.load()
}

// Asset serves the asset that {name} names.
func (v *Viewer) Asset(w http.ResponseWriter, r *http.Request) { v.pages.assets.ServeHTTP(w, r) }

// Show writes the page of a client at a path below the main page: "", "friends",
// "history", "history/INVOICE" or "invitations". Links lead to base and below it. found
// is false when the client has no such page. Nothing is written with an error.
func (v *Viewer) Show(w http.ResponseWriter, r *http.Request, account int64, page, base string) (found bool, err error) {
	p := v.pages
	r = r.WithContext(context.WithValue(r.Context(), viewedKey{}, account))
	w = linkWriter{w, strings.NewReplacer(
		`href="`+pathAssets, `href="`+v.assets, `src="`+pathAssets, `src="`+v.assets, `href="`+pathHome, `href="`+base,
	)}
	err = p.view(w, r, account, page)
	if errors.Is(err, errNotFound) || errors.Is(err, portal.ErrBadCursor) {
		return false, nil
	}
	return err == nil, err
}

func (p *Pages) view(w http.ResponseWriter, r *http.Request, account int64, page string) error {
	if invoice, ok := strings.CutPrefix(page, "history/"); ok {
		r.SetPathValue("invoice", invoice)
		return p.withOverview(p.why)(w, r, account)
	}
	switch page {
	case "":
		return p.showHome(w, r, account, codeInput{Status: http.StatusOK}, "")
	case "friends":
		return p.withOverview(p.friends)(w, r, account)
	case "history":
		return p.withOverview(p.history)(w, r, account)
	case "invitations":
		return p.withOverview(p.invitations)(w, r, account)
	}
	return errNotFound
}

type viewedKey struct{}

// viewedBy is the account whose pages a member of staff looks at.
func viewedBy(ctx context.Context) (account int64, ok bool) {
	account, ok = ctx.Value(viewedKey{}).(int64)
	return account, ok
}

// linkWriter has the links of a page lead elsewhere. The pages write their markup whole,
// and texts of clients have no quotation marks in it.
type linkWriter struct {
	http.ResponseWriter

	links *strings.Replacer
}

func (l linkWriter) Write(page []byte) (int, error) {
	_, err := l.links.WriteString(l.ResponseWriter, string(page))
	return len(page), err
}
