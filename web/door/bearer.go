package door

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

// errBadToken says that a bearer token does not open the API. Why is nobody's
// business but ours.
var errBadToken = errors.New("the token does not open the API")

const longestToken = 8 << 10

// bearerOf is the token of an Authorization header; given is false without such a
// header, the token empty when the header holds none.
func bearerOf(r *http.Request) (token string, given bool) {
	values, given := r.Header["Authorization"]
	if !given || len(values) != 1 {
		return "", given
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || len(token) > longestToken {
		return "", true
	}
	return token, true
}

// bearer is the account that a bearer token speaks for; [errBadToken], or
// [errAway] when that cannot be found out now.
func (d *Door) bearer(ctx context.Context, token string) (int64, error) {
	p, err := d.reach()
	switch {
	case err != nil:
		return 0, err
	case p.bearers == nil || token == "":
		return 0, errBadToken
	}
	verified, err := verify(ctx, p.bearers, token)
	switch {
	case errors.Is(err, errAway):
		return 0, err
	case err != nil, !d.isForAPI(verified, token):
		return 0, errBadToken
	}
	account, err := accountOf(verified, d.o.SignIn.AccountClaim)
	if err != nil {
		return 0, errBadToken
	}
	return account, nil
}

// isForAPI tells an access token from an ID token, which providers may sign with
// the same key and even give the same audience. One that says so itself is an
// access token (RFC 9068). Every other must have nothing that only an ID token has:
// the client id among its audience (OpenID Connect Core 2), or what ties it to a
// sign-in.
func (d *Door) isForAPI(verified *oidc.IDToken, token string) bool {
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
	return !slices.Contains(verified.Audience, d.o.SignIn.ClientID) && has.Kind != "ID" &&
		verified.Nonce == "" && verified.AccessTokenHash == "" && has.CodeHash == ""
}

// isAccessToken reads the header of a token that is verified.
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
