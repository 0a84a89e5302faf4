package smtp

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login authenticates with the best mechanism that the server offers.
type login struct {
	user, password, host string
	mechanism            smtp.Auth
}

// Start chooses the mechanism. The password itself is sent over TLS or to a loopback
// host only.
func (l *login) Start(server *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	secure := server.TLS || Loopback(l.host)
	offered := func(name string) bool { return slices.Contains(server.Auth, name) }
	switch {
	case offered("SCRAM-SHA-256"):
		l.mechanism = smtp.ScramSHA256Auth(l.user, l.password)
	case offered("PLAIN") && secure:
		l.mechanism = smtp.PlainAuth("", l.user, l.password, l.host, !server.TLS)
	case offered("LOGIN") && secure:
		l.mechanism = smtp.LoginAuth(l.user, l.password, l.host, !server.TLS)
	case offered("CRAM-MD5"):
		l.mechanism = smtp.CRAMMD5Auth(l.user, l.password)
	default:
		return "", nil, errors.New("the server offers no mechanism that is secure on this connection")
	}
	return l.mechanism.Start(server)
}

// Next continues the mechanism.
func (l *login) Next(challenge []byte, more bool) ([]byte, error) {
	return l.mechanism.Next(challenge, more)
}
