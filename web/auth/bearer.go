package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

const maxToken = 8 << 10

// bearerOf returns the token of an Authorization header; given is false without such a
// header, and the token is empty if the header holds none.
func bearerOf(r *http.Request) (token string, given bool) {
	values, given := r.Header["Authorization"]
	if !given || len(values) != 1 {
		return "", given
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken {
		return "", true
	}
	return token, true
}

// bearer returns the principal of a bearer token. Errors: [errBadToken] without a reason, or
// [errProviderUnavailable] if the token cannot be verified now.
func (a *Authenticator) bearer(ctx context.Context, token string) (Principal, error) {
	p, err := a.currentProvider()
	switch {
	case err != nil:
		return Principal{}, err
	case p.bearers == nil || token == "":
		return Principal{}, errBadToken
	}
	verified, err := verify(ctx, p.bearers, token)
	switch {
	case errors.Is(err, errProviderUnavailable):
		return Principal{}, err
	case err != nil, !a.isForAPI(verified, token):
		return Principal{}, errBadToken
	}
	principal, err := a.principalOf(verified)
	if err != nil {
		return Principal{}, errBadToken
	}
	principal.Bearer = true
	return principal, nil
}

// isForAPI distinguishes an access token from an ID token, which providers may sign with
// the same key and even give the same audience. One with the type of RFC 9068 is an
// access token. Any other must have no mark of an ID token: the client id in its
// audience (OpenID Connect Core 2), or the values that bind it to a sign-in.
func (a *Authenticator) isForAPI(verified *oidc.IDToken, token string) bool {
	if isAccessToken(token) {
		return true
	}
	var has struct {
		CodeHash string `json:"c_hash"`
		Kind     string `json:"typ"` // Keycloak's
	}
	if err := verified.Claims(&has); err != nil {
		return false
	}
	return !slices.Contains(verified.Audience, a.options.SignIn.ClientID) && has.Kind != "ID" &&
		verified.Nonce == "" && verified.AccessTokenHash == "" && has.CodeHash == ""
}

// isAccessToken reads the header of a verified token.
func isAccessToken(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return false
	}
	var header struct {
		Type string `json:"typ"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		return false
	}
	kind := strings.ToLower(header.Type)
	return kind == "at+jwt" || kind == "application/at+jwt"
}
