// Package pages is the personal account in a browser: pages in Russian, rendered on
// the server from a [portal.Service]. They work without JavaScript; one small file adds
// copying, the countdown and the dialog. Packages auth and middleware authenticate the
// client, set headers and refuse cross-site requests.
package pages

import (
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"referral/web/auth"
	"referral/web/htmlpage"
	"referral/web/portal"
)

// Options configures the pages.
type Options struct {
	Service portal.Service
	Now     func() time.Time
	Zone    *time.Location // of the programme; times are shown in it
	// Proxies is trusted for the client IP, by which wrong codes are throttled.
	Proxies portal.Proxies
	// NewKey returns the idempotency key of a new form; nil means random keys.
	NewKey func() string
}

func (o *Options) validate() error {
	switch {
	case o.Service == nil:
		return errors.New("pages: no Service")
	case o.Now == nil:
		return errors.New("pages: no Now")
	case o.Zone == nil:
		return errors.New("pages: no Zone")
	}
	if o.NewKey == nil {
		o.NewKey = rand.Text
	}
	return nil
}

// Pages is the personal account in a browser.
type Pages struct {
	o         Options
	read      portal.Reader
	assets    assets
	templates htmlpage.Set
}

// New returns the pages. The error says which option is missing.
func New(o Options) (*Pages, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := &Pages{o: o, read: o.Service}
	return p, p.load()
}

func (p *Pages) load() (err error) {
	if p.assets, err = readAssets(); err != nil {
		return err
	}
	p.templates, err = htmlpage.Read(templateFiles, p.functions(), []string{"layout.html", "parts.html", "icons.html"}, pageNames)
	return err
}

// The paths of the pages.
const (
	pathHome        = portal.BasePath
	pathFriends     = "/referral/friends"
	pathHistory     = "/referral/history"
	pathInvitations = "/referral/invitations"
	pathTable       = "/referral#steps" // a part of the main page
	pathAssets      = "/referral/assets/"
)

// Routes returns the routes of the pages with their access rules.
func (p *Pages) Routes() []auth.Route {
	return []auth.Route{
		p.client("GET /referral", p.home),
		p.client("POST /referral/activate", p.activate),
		p.client("POST /referral/enter", p.join),
		p.client("GET /referral/friends", p.withOverview(p.friends)),
		p.client("GET /referral/history", p.withOverview(p.history)),
		p.client("GET /referral/history/{invoice}", p.withOverview(p.why)),
		p.client("GET /referral/invite", p.invitePage),
		p.client("POST /referral/invite", p.invite),
		p.client("GET /referral/invitations", p.withOverview(p.invitations)),
		// A refused form is shown at the path that it was sent to, which may be loaded again.
		p.client("GET /referral/activate", p.backHome),
		p.client("GET /referral/enter", p.backHome),
		{Pattern: "GET /referral/opt-out/{token}", Access: auth.Anyone, Handler: p.withErrorPage(p.askOptOut)},
		{Pattern: "POST /referral/opt-out/{token}", Access: auth.Anyone, Handler: p.withErrorPage(p.optOut)},
		{Pattern: "GET /referral/assets/{name}", Access: auth.Anyone, Handler: p.assets},
	}
}

func (p *Pages) backHome(w http.ResponseWriter, r *http.Request, _ int64) error {
	http.Redirect(w, r, pathHome, http.StatusSeeOther)
	return nil
}
