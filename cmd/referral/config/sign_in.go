package config

import (
	"net"
	"regexp"
	"strings"
	"time"

	"referral/web/auth"
)

// RFC 6749, section 3.3.
var scopeName = regexp.MustCompile(`^[!#-\[\]-~]{1,100}$`)

// checkSignIn checks the section at path; s is it with a secret of any kind.
func checkSignIn(found *findings, path string, s auth.SignIn, secret Secret, file, authorities string) {
	if s.Issuer == "" {
		if s.ClientID != "" || secret != "" || file != "" || s.Audience != "" || authorities != "" {
			found.add(path+".issuer", "other settings of %s are given but no issuer: nobody could sign in", path)
		}
		return
	}
	if authorities != "" && !strings.HasPrefix(s.Issuer, "https:") {
		found.add(path+".ca_file", "authorities are given, but the issuer is http: write https")
	}
	for _, scope := range s.Scopes {
		if !scopeName.MatchString(scope) {
			found.add(path+".scopes", "%q is not a scope of RFC 6749", scope)
		}
	}
	if (secret == "") == (file == "") {
		found.add(path+".client_secret", "give either %[1]s.client_secret or %[1]s.client_secret_file", path)
	}
	found.secret(path+".client_secret", secret)
	if err := s.Validate(); err != nil {
		found.add(path, "%s", strings.TrimPrefix(err.Error(), "auth: "))
	}
}

func (s *Session) validate(found *findings, path string) {
	found.lasts(path+".idle", s.Idle, time.Minute, 24*time.Hour)
	found.lasts(path+".lifetime", s.Lifetime, time.Minute, 30*24*time.Hour)
	if s.Lifetime < s.Idle {
		found.add(path+".lifetime", "%s is shorter than %s.idle (%s)", s.Lifetime, path, s.Idle)
	}
}

// publicURL is the URL at which browsers find a site, without a slash at its end:
// the configured one, or that of the address it listens on.
func publicURL(configured, addr string) string {
	if configured != "" {
		return strings.TrimSuffix(configured, "/")
	}
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
