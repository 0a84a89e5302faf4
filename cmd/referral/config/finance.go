package config

import (
	"crypto/tls"
	"time"

	"referral/models"
	"referral/web/auth"
)

// Finance is the staff pages: where the staff find them, and how they sign in.
type Finance struct {
	PublicURL string      `yaml:"public_url"` // empty: the loopback address of http.finance
	SignIn    StaffSignIn `yaml:"sign_in"`
	Session   Session     `yaml:"session"`
}

// StaffSignIn is the OpenID provider of the operator's staff; without an issuer the
// staff pages are not served.
type StaffSignIn struct {
	Issuer           string     `yaml:"issuer"`
	ClientID         string     `yaml:"client_id"`
	ClientSecret     Secret     `yaml:"client_secret"`
	ClientSecretFile string     `yaml:"client_secret_file"` // instead of ClientSecret
	CAFile           string     `yaml:"ca_file"`            // PEM; empty for the system's authorities
	NameClaim        string     `yaml:"name_claim"`
	RolesClaim       string     `yaml:"roles_claim"`
	Roles            StaffRoles `yaml:"roles"`
	Scopes           []string   `yaml:"scopes"`
}

// StaffRoles is the values of the roles' claim that give each role.
type StaffRoles struct {
	Support    []string `yaml:"support"`
	Finance    []string `yaml:"finance"`
	Controller []string `yaml:"controller"`
	Auditor    []string `yaml:"auditor"`
}

func defaultFinance() Finance {
	return Finance{
		SignIn: StaffSignIn{NameClaim: "name", RolesClaim: "roles", Scopes: []string{"openid", "profile"}, Roles: StaffRoles{
			Support: []string{"referral-support"}, Finance: []string{"referral-finance"},
			Controller: []string{"referral-controller"}, Auditor: []string{"referral-auditor"},
		}},
		Session: Session{Idle: 30 * time.Minute, Lifetime: time.Hour},
	}
}

func (f *Finance) validate(found *findings) {
	if f.PublicURL != "" {
		if err := auth.CheckPublicURL(f.PublicURL); err != nil {
			found.add("finance.public_url", "%v", err)
		}
	}
	f.Session.validate(found, "finance.session")
	checkSignIn(found, "finance.sign_in", f.SignIn.withSecret("a secret"), f.SignIn.ClientSecret, f.SignIn.ClientSecretFile, f.SignIn.CAFile)
	given := map[string]models.Role{}
	f.SignIn.Roles.each(func(value string, role models.Role) {
		if other, twice := given[value]; value == "" || twice {
			found.add("finance.sign_in.roles", "%q gives %s and %s: one value gives one role", value, other, role)
		}
		given[value] = role
	})
}

func (r *StaffRoles) each(see func(value string, role models.Role)) {
	for _, role := range []struct {
		values []string
		role   models.Role
	}{{r.Support, models.RoleSupport}, {r.Finance, models.RoleFinance}, {r.Controller, models.RoleController}, {r.Auditor, models.RoleAuditor}} {
		for _, value := range role.values {
			see(value, role.role)
		}
	}
}

func (s *StaffSignIn) withSecret(secret string) auth.SignIn {
	claims := &auth.StaffClaims{Roles: s.RolesClaim, Name: s.NameClaim, Values: map[string]models.Role{}}
	s.Roles.each(func(value string, role models.Role) { claims.Values[value] = role })
	return auth.SignIn{Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: secret, Staff: claims, Scopes: s.Scopes}
}

// Auth is the section as package auth uses it, with the secret read; an [*Error]
// when its file cannot be.
func (s *StaffSignIn) Auth() (auth.SignIn, error) {
	secret, err := readSecret("finance.sign_in.client_secret_file", s.ClientSecret, s.ClientSecretFile)
	return s.withSecret(secret), err
}

// Client is how the provider is connected to, with the file read. Errors are [*Error].
func (s *StaffSignIn) Client() (*tls.Config, error) {
	return (&TLS{Enabled: true, CAFile: s.CAFile}).Client("finance.sign_in")
}

// Public is the URL at which the staff find their pages, without a slash at its end.
// addr is what http.finance has become, with a port that is open.
func (f *Finance) Public(addr string) string { return publicURL(f.PublicURL, addr) }
