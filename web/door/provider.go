package door

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"referral/internal/sleep"
)

// provider is the OpenID provider as it describes itself.
type provider struct {
	oauth      oauth2.Config
	idTokens   *oidc.IDTokenVerifier
	bearers    *oidc.IDTokenVerifier // nil when bearer tokens are not accepted
	endSession *url.URL              // nil when it has none
}

// description is what go-oidc does not read itself.
type description struct {
	KeysURL     string   `json:"jwks_uri"`
	EndSession  string   `json:"end_session_endpoint"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
}

const (
	refreshEvery = time.Hour
	firstBackOff = time.Second
	longBackOff  = 30 * time.Second
)

// follow asks the provider for its configuration until it answers, and from then
// on now and then. What it said last holds while it is away.
func (d *Door) follow(ctx context.Context) error {
	wait := firstBackOff
	for away := false; ctx.Err() == nil; {
		trouble := d.Connect(ctx)
		switch {
		case ctx.Err() != nil:
		case trouble != nil:
			if !away {
				d.log.Error("the OpenID provider cannot be reached; trying again", "error", trouble)
			}
			away = true
			sleep.For(ctx, wait)
			wait = min(2*wait, longBackOff)
		default:
			if away {
				d.log.Info("the OpenID provider answers again")
			}
			away, wait = false, firstBackOff
			sleep.For(ctx, refreshEvery)
		}
	}
	return nil
}

// reach is the provider; [errClosed] or [errAway].
func (d *Door) reach() (*provider, error) {
	p := d.provider.Load()
	switch {
	case !d.Open():
		return nil, errClosed
	case p == nil:
		return nil, errAway
	}
	return p, nil
}

// Connect asks the provider for its configuration once.
func (d *Door) Connect(ctx context.Context) error {
	p, err := d.discover(ctx)
	if err != nil {
		d.metrics.provider.Set(0)
		return fmt.Errorf("asking %s for its configuration: %w", d.o.SignIn.Issuer, err)
	}
	d.provider.Store(p)
	if p.endSession != nil {
		d.setPolicy(p.endSession.Scheme + "://" + p.endSession.Host)
	}
	d.metrics.provider.Set(1)
	return nil
}

func (d *Door) discover(ctx context.Context) (*provider, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, d.client), d.o.SignIn.Issuer)
	if err != nil {
		return nil, err
	}
	var says description
	if err := found.Claims(&says); err != nil {
		return nil, fmt.Errorf("reading what it says: %w", err)
	}
	p := &provider{oauth: d.oauth(found.Endpoint(), &says)}
	// Where the client's secret is sent and the keys come from is held to what the
	// issuer is held to: whoever changed it on the way could let anybody in.
	for _, needed := range []struct{ place, address string }{
		{"sign in", p.oauth.Endpoint.AuthURL}, {"fetch tokens", p.oauth.Endpoint.TokenURL}, {"find its keys", says.KeysURL},
	} {
		if _, err := securePlace(needed.address); err != nil {
			return nil, fmt.Errorf("its place to %s: %w", needed.place, err)
		}
	}
	if says.EndSession != "" {
		if p.endSession, err = securePlace(says.EndSession); err != nil {
			return nil, fmt.Errorf("its place to sign out: %w", err)
		}
	}
	d.verifiers(p, &says)
	return p, nil
}

func (d *Door) oauth(endpoint oauth2.Endpoint, says *description) oauth2.Config {
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // what holds when it says nothing
	if len(says.AuthMethods) > 0 && !slices.Contains(says.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{
		ClientID: d.o.SignIn.ClientID, ClientSecret: d.o.SignIn.ClientSecret,
		Endpoint: endpoint, RedirectURL: d.public + CallbackPath, Scopes: d.o.SignIn.Scopes,
	}
}

// verifiers share one set of keys. Only signatures that a key pair makes are
// accepted, whatever the provider says: one by a shared secret, or none, proves
// nothing to us.
func (d *Door) verifiers(p *provider, says *description) {
	algorithms := slices.DeleteFunc(slices.Clone(says.Algorithms), func(a string) bool { return !slices.Contains(signatures, a) })
	if len(algorithms) == 0 {
		algorithms = []string{oidc.RS256}
	}
	keys := newKeys(d.client, says.KeysURL)
	config := func(audience string) *oidc.Config {
		return &oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: d.o.Now}
	}
	p.idTokens = oidc.NewVerifier(d.o.SignIn.Issuer, keys, config(d.o.SignIn.ClientID))
	if d.o.SignIn.Audience != "" {
		p.bearers = oidc.NewVerifier(d.o.SignIn.Issuer, keys, config(d.o.SignIn.Audience))
	}
}

var signatures = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}
