package fakeoidc

import (
	"net/url"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// registered is the one client of the provider: a server that keeps a secret.
type registered struct{ p *Provider }

func (c registered) GetID() string                       { return c.p.o.ClientID }
func (c registered) RedirectURIs() []string              { return c.p.o.RedirectURIs }
func (c registered) PostLogoutRedirectURIs() []string    { return c.p.o.PostLogoutURIs }
func (c registered) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c registered) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (c registered) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c registered) GrantTypes() []oidc.GrantType         { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c registered) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (c registered) IDTokenLifetime() time.Duration       { return tokenFor }
func (c registered) DevMode() bool                        { return false }
func (c registered) IsScopeAllowed(string) bool           { return false }
func (c registered) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c registered) ClockSkew() time.Duration             { return 0 }

// LoginURL is where somebody says who he is.
func (c registered) LoginURL(id string) string {
	return c.p.issuer + signInPath + "?" + url.Values{"id": {id}}.Encode()
}

// RestrictAdditionalIdTokenScopes keeps them all.
func (c registered) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}

// RestrictAdditionalAccessTokenScopes keeps them all.
func (c registered) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return slices.Clone[[]string]
}

// The library asks a sign-in what it is about.

func (r *request) GetID() string          { return r.id }
func (r *request) GetACR() string         { return "" }
func (r *request) GetAMR() []string       { return nil }
func (r *request) GetAudience() []string  { return []string{r.audience} }
func (r *request) GetAuthTime() time.Time { return r.began }
func (r *request) GetClientID() string    { return r.ClientID }
func (r *request) GetNonce() string       { return r.Nonce }
func (r *request) GetScopes() []string    { return r.Scopes }
func (r *request) GetSubject() string     { return r.subject }
func (r *request) Done() bool             { return r.done }

// GetCodeChallenge is what the verifier must match.
func (r *request) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}
