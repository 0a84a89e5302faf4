package cabinet

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"referral/web/door"
)

// PagesOptions is what the pages need.
type PagesOptions struct {
	Desk Desk
	Now  func() time.Time
	// Zone is the programme's: the zone that days and hours are printed in.
	Zone *time.Location
	// SignOut is the path that the sign-out button posts to; the door owns it.
	SignOut string
	// FormTargets are the origins, besides the pages' own, that the answer to a
	// form may lead to ("https://id.example.ru"): the identity provider, for
	// signing out and for signing in again. A browser holds such a redirect to the
	// page's policy too.
	FormTargets []string
	// Address is the client's machine, for the limit on wrong codes. nil means the
	// other end of the connection.
	Address func(*http.Request) string
	// NewKey makes the key that tells a form sent twice from two forms. nil means
	// random ones.
	NewKey func() string
	Log    *slog.Logger
}

func (o *PagesOptions) validate() error {
	switch {
	case o.Desk == nil:
		return errors.New("cabinet: no Desk")
	case o.Now == nil:
		return errors.New("cabinet: no Now")
	case o.Zone == nil:
		return errors.New("cabinet: no Zone")
	case !strings.HasPrefix(o.SignOut, "/"):
		return errors.New("cabinet: no SignOut path")
	case o.Log == nil:
		return errors.New("cabinet: no Log")
	}
	return nil
}

// Pages is the personal account as a client sees it in a browser.
type Pages struct {
	o         PagesOptions
	assets    assets
	templates templates
	policy    string
}

// NewPages makes the pages. The error says which option is missing.
func NewPages(o PagesOptions) (*Pages, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Address == nil {
		o.Address = otherEnd
	}
	if o.NewKey == nil {
		o.NewKey = rand.Text
	}
	p := &Pages{o: o, policy: policy(o.FormTargets)}
	var err error
	if p.assets, err = readAssets(); err != nil {
		return nil, err
	}
	p.templates, err = readTemplates(p.assets)
	return p, err
}

func otherEnd(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Where the pages are. Links in templates are made of these.
const (
	pathHome        = "/referral"
	pathFriends     = "/referral/friends"
	pathHistory     = "/referral/history"
	pathInvite      = "/referral/invite"
	pathInvitations = "/referral/invitations"
	pathTable       = "/referral#steps" // a part of the main page
	pathAssets      = "/referral/assets/"
)

// Routes are the ways to the pages, each with its rule.
func (p *Pages) Routes() []door.Route {
	return []door.Route{
		p.page("GET /referral", p.home),
		p.page("POST /referral/activate", p.activate),
		p.page("POST /referral/enter", p.enter),
		p.page("GET /referral/friends", p.friends),
		p.page("GET /referral/history", p.history),
		p.page("GET /referral/history/{invoice}", p.why),
		p.page("GET /referral/invite", p.invitePage),
		p.page("POST /referral/invite", p.invite),
		p.page("GET /referral/invitations", p.invitations),
		// A form whose session had ended leads here after signing in.
		p.page("GET /referral/activate", p.backHome),
		p.page("GET /referral/enter", p.backHome),
		p.page("GET /referral/", p.nowhere),
		{Pattern: "GET /referral/opt-out/{token}", Rule: door.Anyone, Handler: p.recovered(p.askOptOut)},
		{Pattern: "POST /referral/opt-out/{token}", Rule: door.Anyone, Handler: p.recovered(p.optOut)},
		{Pattern: "GET /referral/assets/{name}", Rule: door.Anyone, Handler: p.assets},
	}
}

func (p *Pages) page(pattern string, show shower) door.Route {
	return door.Route{Pattern: pattern, Rule: door.ClientPage, Handler: p.client(show)}
}

func (p *Pages) backHome(w http.ResponseWriter, r *http.Request, _ int64) error {
	http.Redirect(w, r, pathHome, http.StatusSeeOther)
	return nil
}

func (p *Pages) nowhere(http.ResponseWriter, *http.Request, int64) error { return errNowhere }
