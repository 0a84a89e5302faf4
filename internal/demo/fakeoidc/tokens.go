package fakeoidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TokenOption makes a minted token another than the good one.
type TokenOption func(*token)

// token is a token before it is signed.
type token struct {
	claims    map[string]any
	kind      string // header typ
	algorithm jose.SignatureAlgorithm
	key       any
}

// Token mints an access token for the API, as the provider would give it to a
// program that acts for an account; the twists spoil it. It is for tests.
func (p *Provider) Token(account int64, twists ...TokenOption) string {
	now := time.Now()
	c := &token{
		claims: map[string]any{
			"iss": p.issuer, "sub": subjectPrefix + strconv.FormatInt(account, 10), "aud": []string{p.o.Audience},
			"iat": now.Unix(), "exp": now.Add(tokenFor).Unix(), "jti": random(), p.o.AccountClaim: account,
		},
		kind: "JWT", algorithm: algorithm, key: p.key,
	}
	for _, twist := range twists {
		twist(c)
	}
	return c.sign()
}

// WithClaim gives the token a claim; nil takes it away.
func WithClaim(claim string, value any) TokenOption {
	return func(c *token) {
		if c.claims[claim] = value; value == nil {
			delete(c.claims, claim)
		}
	}
}

// Expired has the token end a moment ago.
func Expired(c *token) { c.claims["exp"] = time.Now().Add(-time.Second).Unix() }

// WithAudience gives the token another audience.
func WithAudience(audience ...string) TokenOption { return WithClaim("aud", audience) }

// WithType gives the header another typ, such as at+jwt.
func WithType(kind string) TokenOption { return func(c *token) { c.kind = kind } }

// SignedByOtherKey has somebody else sign the token, under the name of our key.
func SignedByOtherKey(c *token) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	c.key = key
}

// Unsigned has nobody sign it (alg none).
func Unsigned(c *token) { c.algorithm = "none" }

// SignedWithPublicKey signs it by a shared secret (HS256), for which the public key is
// taken: who checks it with that key and believes the header is deceived.
func SignedWithPublicKey(c *token) {
	key, ok := c.key.(*ecdsa.PrivateKey)
	if !ok {
		panic("fakeoidc: the key is spoilt already")
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err) // a key that was just made
	}
	c.algorithm, c.key = jose.HS256, public
}

// AsIDToken makes it what the client gets at a sign-in.
func (p *Provider) AsIDToken(c *token) {
	c.claims["aud"] = []string{p.o.Audience, p.o.ClientID}
	c.claims["azp"] = p.o.ClientID
	c.claims["nonce"] = random()
	c.claims["at_hash"] = random()
}

func (c *token) sign() string {
	payload, err := json.Marshal(c.claims)
	if err != nil {
		panic(fmt.Sprintf("fakeoidc: a claim that is no JSON: %v", err))
	}
	if c.algorithm == "none" {
		part := base64.RawURLEncoding.EncodeToString
		return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(payload) + "."
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(c.kind)).WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: c.algorithm, Key: c.key}, options)
	if err != nil {
		panic(fmt.Sprintf("fakeoidc: no signer: %v", err))
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(fmt.Sprintf("fakeoidc: not signed: %v", err))
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(fmt.Sprintf("fakeoidc: not signed: %v", err))
	}
	return text
}
