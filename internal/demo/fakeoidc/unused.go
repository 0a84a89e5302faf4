package fakeoidc

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// What the library asks for and this provider does not offer: refresh tokens,
// revocation, introspection, JWT profiles. Signing out has nothing to end here:
// anyone who signs in is asked every time.

var errNotOffered = errors.New("fakeoidc: not offered")

// CreateAccessAndRefreshTokens is not offered.
func (m *storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (accessTokenID, newRefreshToken string, expiration time.Time, err error) {
	return "", "", time.Time{}, errNotOffered
}

// TokenRequestByRefreshToken is not offered.
func (m *storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, op.ErrInvalidRefreshToken
}

// GetRefreshTokenInfo knows no refresh tokens.
func (m *storage) GetRefreshTokenInfo(context.Context, string, string) (userID, tokenID string, err error) {
	return "", "", op.ErrInvalidRefreshToken
}

// RevokeToken is not offered: tokens are not kept.
func (m *storage) RevokeToken(context.Context, string, string, string) *oidc.Error {
	return oidc.ErrUnsupportedGrantType()
}

// TerminateSession has nothing to end.
func (m *storage) TerminateSession(context.Context, string, string) error { return nil }

// SetUserinfoFromScopes is the library's older way.
func (m *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetIntrospectionFromToken is not offered.
func (m *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errNotOffered
}

// GetKeyByIDAndClientID knows no keys of clients.
func (m *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNotOffered
}

// ValidateJWTProfileScopes is not offered.
func (m *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNotOffered
}

// Health is good as long as the process lives.
func (m *storage) Health(context.Context) error { return nil }
