package auth

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

// provider is the OpenID provider according to its metadata.
type provider struct {
	oauth      oauth2.Config
	idTokens   *oidc.IDTokenVerifier
	bearers    *oidc.IDTokenVerifier // nil when bearer tokens are not accepted
	endSession *url.URL              // nil when it has none
}

// providerMetadata is the metadata that go-oidc does not read itself.
type providerMetadata struct {
	KeysURL     string   `json:"jwks_uri"`
	EndSession  string   `json:"end_session_endpoint"`
	Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
}

const (
	refreshInterval = 30 * time.Second
	minBackoff      = time.Second
	maxBackoff      = 30 * time.Second
)

// watchProvider reads the configuration of the provider until it answers, and then
// regularly. The last one is used while the provider is unavailable.
func (a *Authenticator) watchProvider(ctx context.Context) error {
	waits := sleep.Backoff(minBackoff, maxBackoff)
	for ctx.Err() == nil {
		err := a.Connect(ctx)
		if ctx.Err() == nil {
			a.health.Report("reading the configuration of "+a.options.SignIn.Issuer, err)
		}
		if err != nil {
			sleep.Next(ctx, waits)
			continue
		}
		waits = sleep.Backoff(minBackoff, maxBackoff)
		sleep.For(ctx, refreshInterval)
	}
	return nil
}

// currentProvider returns the provider. Errors: [errNotConfigured],
// [errProviderUnavailable].
func (a *Authenticator) currentProvider() (*provider, error) {
	p := a.provider.Load()
	switch {
	case !a.Configured():
		return nil, errNotConfigured
	case p == nil:
		return nil, errProviderUnavailable
	}
	return p, nil
}

// Connect reads the configuration of the provider once.
func (a *Authenticator) Connect(ctx context.Context) error {
	p, err := a.discover(ctx)
	if err != nil {
		a.metrics.provider.Set(0)
		return fmt.Errorf("reading the configuration of %s: %w", a.options.SignIn.Issuer, err)
	}
	a.provider.Store(p)
	if p.endSession != nil {
		a.stack.AllowFormTarget(p.endSession.Scheme + "://" + p.endSession.Host)
	}
	a.metrics.provider.Set(1)
	return nil
}

func (a *Authenticator) discover(ctx context.Context) (*provider, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, a.client), a.options.SignIn.Issuer)
	if err != nil {
		return nil, err
	}
	var metadata providerMetadata
	if err := found.Claims(&metadata); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	p := &provider{oauth: a.oauth(found.Endpoint(), &metadata)}
	// The endpoints that get the client secret or deliver the keys obey the same rule as
	// the issuer: changed in transit, they would let anyone sign in.
	for _, endpoint := range []struct{ name, address string }{
		{"authorization", p.oauth.Endpoint.AuthURL}, {"token", p.oauth.Endpoint.TokenURL}, {"key", metadata.KeysURL},
	} {
		if _, err := secureEndpoint(endpoint.address); err != nil {
			return nil, fmt.Errorf("its %s endpoint: %w", endpoint.name, err)
		}
	}
	if metadata.EndSession != "" {
		if p.endSession, err = secureEndpoint(metadata.EndSession); err != nil {
			return nil, fmt.Errorf("its sign-out endpoint: %w", err)
		}
	}
	a.verifiers(p, &metadata)
	return p, nil
}

func (a *Authenticator) oauth(endpoint oauth2.Endpoint, metadata *providerMetadata) oauth2.Config {
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // the default of the specification
	if len(metadata.AuthMethods) > 0 && !slices.Contains(metadata.AuthMethods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{
		ClientID: a.options.SignIn.ClientID, ClientSecret: a.options.SignIn.ClientSecret,
		Endpoint: endpoint, RedirectURL: a.public + a.options.Base + CallbackPath, Scopes: a.options.SignIn.Scopes,
	}
}

// verifiers share one set of keys. Only asymmetric signatures are accepted, whatever
// the metadata says: tokens signed with a shared secret, or unsigned, prove nothing.
func (a *Authenticator) verifiers(p *provider, metadata *providerMetadata) {
	algorithms := slices.DeleteFunc(slices.Clone(metadata.Algorithms), func(a string) bool { return !slices.Contains(signatures, a) })
	if len(algorithms) == 0 {
		algorithms = []string{oidc.RS256}
	}
	keys := newKeys(a.client, metadata.KeysURL)
	config := func(audience string) *oidc.Config {
		return &oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: a.options.Now}
	}
	p.idTokens = oidc.NewVerifier(a.options.SignIn.Issuer, keys, config(a.options.SignIn.ClientID))
	if a.options.SignIn.Audience != "" {
		p.bearers = oidc.NewVerifier(a.options.SignIn.Issuer, keys, config(a.options.SignIn.Audience))
	}
}

var signatures = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}
