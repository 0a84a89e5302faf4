package config

import (
	"crypto/tls"
	"time"

	"referral/web/auth"
)

// Cabinet is the personal account: where clients find it, and how they
// sign in.
type Cabinet struct {
	PublicURL string  `yaml:"public_url"` // empty: the loopback address of http.cabinet
	SignIn    SignIn  `yaml:"sign_in"`
	Session   Session `yaml:"session"`
	Limits    Limits  `yaml:"limits"`
}

// SignIn is the operator's OpenID provider; without an issuer nobody can
// sign in.
type SignIn struct {
	Issuer           string   `yaml:"issuer"`
	ClientID         string   `yaml:"client_id"`
	ClientSecret     Secret   `yaml:"client_secret"`
	ClientSecretFile string   `yaml:"client_secret_file"` // instead of ClientSecret
	CAFile           string   `yaml:"ca_file"`            // PEM; empty for the system's authorities
	AccountClaim     string   `yaml:"account_claim"`
	Audience         string   `yaml:"audience"` // of bearer tokens; empty: none are accepted
	Scopes           []string `yaml:"scopes"`
}

// Session is how long a client stays signed in.
type Session struct {
	Idle     time.Duration `yaml:"idle"`
	Lifetime time.Duration `yaml:"lifetime"`
}

func defaultCabinet() Cabinet {
	return Cabinet{
		SignIn:  SignIn{AccountClaim: "account_id", Scopes: []string{"openid"}},
		Session: Session{Idle: 30 * time.Minute, Lifetime: 12 * time.Hour},
		Limits:  defaultLimits(),
	}
}

func (c *Cabinet) validate(found *findings) {
	if c.PublicURL != "" {
		if err := auth.CheckPublicURL(c.PublicURL); err != nil {
			found.add("cabinet.public_url", "%v", err)
		}
	}
	s := &c.SignIn
	checkSignIn(found, "cabinet.sign_in", s.withSecret("a secret"), s.ClientSecret, s.ClientSecretFile, s.CAFile)
	c.Limits.validate(found)
	c.Session.validate(found, "cabinet.session")
}

func (s *SignIn) withSecret(secret string) auth.SignIn {
	return auth.SignIn{
		Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: secret,
		AccountClaim: s.AccountClaim, Audience: s.Audience, Scopes: s.Scopes,
	}
}

// Auth is the section as package auth uses it, with the secret read; an [*Error]
// when its file cannot be read.
func (s *SignIn) Auth() (auth.SignIn, error) {
	secret, err := readSecret("cabinet.sign_in.client_secret_file", s.ClientSecret, s.ClientSecretFile)
	return s.withSecret(secret), err
}

// Client is how the provider is connected to, with the file read. Errors are [*Error].
func (s *SignIn) Client() (*tls.Config, error) {
	return (&TLS{Enabled: true, CAFile: s.CAFile}).Client("cabinet.sign_in")
}

// Public is the URL at which clients find the personal account, without a slash
// at its end. addr is what http.cabinet has become, with a port that is open.
func (c *Cabinet) Public(addr string) string { return publicURL(c.PublicURL, addr) }
