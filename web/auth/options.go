package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/prometheus/client_golang/prometheus"

	"referral/models"
	"referral/web/middleware"
)

// Sessions stores the sessions of signed-in users.
type Sessions interface {
	OpenSession(ctx context.Context, s models.Session) error
	// Session returns a session that has not ended by now.
	Session(ctx context.Context, id models.SessionID, now time.Time) (s models.Session, ok bool, err error)
	// TouchSession updates SeenAt and ExpiresAt, unless that was done since a time.
	TouchSession(ctx context.Context, seen models.Session, since time.Time) error
	CloseSession(ctx context.Context, id models.SessionID) (s models.Session, ok bool, err error)
}

// SignIn is the operator's OpenID provider and our registration with it.
type SignIn struct {
	Issuer       string // URL, as the provider itself writes it
	ClientID     string
	ClientSecret string
	AccountClaim string       // claim of the tokens that holds the account of a client
	Staff        *StaffClaims // instead of AccountClaim, on a site for staff
	Audience     string       // of bearer tokens for the API; empty: none are accepted
	Scopes       []string     // openid among them
}

// Options configures an authenticator. All are required where nothing else is said.
type Options struct {
	Site   string // name of the site in logs and metrics: "portal"
	Base   string // path of the home page; the sign-in is under it: "/referral"
	Cookie string // name of the session cookie
	// PublicURL is the address of the site in browsers: https://host[:port], or http on a
	// loopback host.
	PublicURL string
	// SignIn without an Issuer: every route that needs a principal answers 503.
	SignIn SignIn
	// ClientSecret is the client secret at the moment; nil when SignIn has it for good.
	ClientSecret func() string
	// Provider sends requests to the provider; nil for what the system says.
	Provider http.RoundTripper
	Idle     time.Duration // a session ends after this long without a request
	Lifetime time.Duration // and after this long in any case
	Sessions Sessions
	// Page writes an error page in the layout of the site; Link is an absolute path.
	Page       func(w http.ResponseWriter, r *http.Request, p middleware.ErrorPage)
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) validate() error {
	switch {
	case o.Site == "" || o.Cookie == "":
		return errors.New("auth: no Site, or no Cookie")
	case path.Clean("/"+o.Base) != o.Base || o.Base == "/":
		return fmt.Errorf("auth: the base path %q must be like /referral", o.Base)
	case o.Sessions == nil:
		return errors.New("auth: no Sessions")
	case o.Page == nil:
		return errors.New("auth: no Page")
	case o.Now == nil:
		return errors.New("auth: no Now")
	case o.Log == nil:
		return errors.New("auth: no Log")
	case o.Registerer == nil:
		return errors.New("auth: no Registerer")
	case o.Idle < time.Minute || o.Lifetime < o.Idle:
		return fmt.Errorf("auth: sessions idle for %s and last %s: at least a minute, and no longer idle than they last", o.Idle, o.Lifetime)
	}
	if o.SignIn.Issuer == "" {
		return nil
	}
	if err := CheckPublicURL(o.PublicURL); err != nil {
		return fmt.Errorf("auth: the public URL: %w", err)
	}
	return o.SignIn.Validate()
}

// Validate refuses incomplete and insecure settings.
func (s *SignIn) Validate() error {
	if err := CheckIssuer(s.Issuer); err != nil {
		return fmt.Errorf("auth: the issuer: %w", err)
	}
	switch {
	case s.ClientID == "" || s.ClientSecret == "":
		return errors.New("auth: the provider needs a client id and a client secret, and one is missing")
	case s.AccountClaim == "" && s.Staff == nil:
		return errors.New("auth: no name of the claim with the account")
	case s.Staff != nil && (s.Staff.Roles == "" || len(s.Staff.Values) == 0):
		return errors.New("auth: no name of the claim with the roles, or no value that gives a role")
	case s.Audience == s.ClientID:
		return errors.New("auth: the audience of the API is the client id: every ID token would be valid for the API")
	case !slices.Contains(s.Scopes, oidc.ScopeOpenID):
		return errors.New("auth: without the scope openid there is no ID token")
	}
	return nil
}

// CheckPublicURL refuses an address that is neither https nor on a loopback host,
// because the session cookie must not be sent in clear text.
func CheckPublicURL(text string) error {
	u, err := secureURL(text)
	if err != nil {
		return err
	}
	if u.Path != "" && u.Path != "/" {
		return fmt.Errorf("%q has a path: the pages need a host of their own", text)
	}
	return nil
}

// CheckIssuer refuses an issuer whose answers could be changed in transit.
func CheckIssuer(text string) error {
	_, err := secureURL(text)
	return err
}

func secureURL(text string) (*url.URL, error) {
	u, err := secureEndpoint(text)
	if err == nil && (u.RawQuery != "" || u.ForceQuery) {
		return nil, fmt.Errorf("%q must not have a query", text)
	}
	return u, err
}

// secureEndpoint is [secureURL], with an optional query.
func secureEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q is not a URL like https://lk.example.ru", text)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("%q must have neither a user nor a fragment", u.Redacted())
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%q must be https; plain http is for a loopback host only", text)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
