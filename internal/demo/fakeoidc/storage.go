package fakeoidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	algorithm     = "ES256"
	keyID         = "demo"
	requestFor    = 10 * time.Minute
	requestsAtAll = 1000
	tokenFor      = time.Hour
	subjectPrefix = "client-" // so that a subject is not taken for an account
)

// storage is what the provider keeps of sign-ins under way: nothing else has to
// outlive a request.
type storage struct {
	// The library's other methods are never called, because they belong to what is
	// not offered: refresh tokens, revocation, introspection, JWT profiles.
	op.Storage
	p        *Provider
	mu       sync.Mutex
	requests map[string]*request
	codes    map[string]string // request by code
}

func newStorage(p *Provider) *storage {
	return &storage{p: p, requests: map[string]*request{}, codes: map[string]string{}}
}

// request is a sign-in under way.
type request struct {
	oidc.AuthRequest
	id      string
	began   time.Time
	subject string
	done    bool
}

var errUnknown = errors.New("no such sign-in; it may have taken too long")

// CreateAuthRequest begins a sign-in. It insists on PKCE, with a hash.
func (m *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required")
	}
	if r.Nonce == "" || r.State == "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("state and nonce are required")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	begun := &request{AuthRequest: *r, id: rand.Text(), began: time.Now()}
	m.requests[begun.id] = begun
	return begun, nil
}

// forget drops what is too old, and everything when there is too much.
func (m *storage) forget() {
	for id, r := range m.requests {
		if len(m.requests) >= requestsAtAll || time.Since(r.began) > requestFor {
			delete(m.requests, id)
		}
	}
	for code, id := range m.codes {
		if m.requests[id] == nil {
			delete(m.codes, code)
		}
	}
}

// AuthRequestByID is a sign-in under way, as it stands now.
func (m *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	r, err := m.request(id)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (m *storage) request(id string) (*request, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	r := m.requests[id]
	if r == nil {
		return nil, errUnknown
	}
	now := *r
	return &now, nil
}

// signIn records as which account.
func (m *storage) signIn(id string, account int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.requests[id]
	if r == nil || r.done {
		return errUnknown
	}
	r.subject, r.done = subjectPrefix+strconv.FormatInt(account, 10), true
	return nil
}

// SaveAuthCode gives a sign-in its code.
func (m *storage) SaveAuthCode(_ context.Context, id, code string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requests[id] == nil {
		return errUnknown
	}
	m.codes[code] = id
	return nil
}

// AuthRequestByCode redeems a code, which is valid once.
func (m *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	m.mu.Lock()
	id := m.codes[code]
	delete(m.codes, code)
	m.mu.Unlock()
	return m.AuthRequestByID(ctx, id)
}

// DeleteAuthRequest ends a sign-in.
func (m *storage) DeleteAuthRequest(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.requests, id)
	return nil
}

// CreateAccessToken names an access token; it is a JWT, and kept nowhere.
func (m *storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(tokenFor), nil
}

// GetClientByClientID knows one client.
func (m *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != ClientID {
		return nil, fmt.Errorf("fakeoidc: no client %q", id)
	}
	return client{m.p}, nil
}

// AuthorizeClientIDSecret checks that client's secret.
func (m *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(m.p.secret)) != 1 {
		return errors.New("fakeoidc: wrong client or secret")
	}
	return nil
}

// SetUserinfoFromRequest puts the account into ID tokens.
func (m *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	return m.describe(info, r.GetSubject())
}

// SetUserinfoFromToken puts it into the answer of the userinfo endpoint.
func (m *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	return m.describe(info, subject)
}

func (m *storage) describe(info *oidc.UserInfo, subject string) error {
	account, err := accountOf(subject)
	if err != nil {
		return err
	}
	info.Subject = subject
	info.AppendClaims(AccountClaim, account)
	if m.p.o.Claims != nil {
		for name, value := range m.p.o.Claims(account) {
			info.AppendClaims(name, value)
		}
	}
	return nil
}

// GetPrivateClaimsFromScopes puts the account into access tokens.
func (m *storage) GetPrivateClaimsFromScopes(_ context.Context, subject, _ string, _ []string) (map[string]any, error) {
	account, err := accountOf(subject)
	return map[string]any{AccountClaim: account}, err
}

func accountOf(subject string) (int64, error) {
	account, err := strconv.ParseInt(strings.TrimPrefix(subject, subjectPrefix), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("fakeoidc: %q is not a subject of this provider", subject)
	}
	return account, nil
}

// SigningKey is the one key.
func (m *storage) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{m.p}, nil }

// SignatureAlgorithms is its algorithm.
func (m *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{algorithm}, nil
}

// KeySet is its public half.
func (m *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{m.p}}, nil }

type signingKey struct{ p *Provider }

func (k signingKey) ID() string                                  { return keyID }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return algorithm }
func (k signingKey) Key() any                                    { return k.p.key }

type publicKey struct{ p *Provider }

func (k publicKey) ID() string                         { return keyID }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return algorithm }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return k.p.key.Public() }

// TerminateSession has nothing to end: everybody who signs in is asked every time.
func (m *storage) TerminateSession(context.Context, string, string) error { return nil }

// SetUserinfoFromScopes is the library's older way of SetUserinfoFromRequest.
func (m *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}
