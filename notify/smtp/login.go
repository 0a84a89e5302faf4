package smtp

import (
	"errors"
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// login logs in by the best way that the server offers.
type login struct {
	user, password, host string
	way                  smtp.Auth
}

// Start chooses the way. The password itself is given away over TLS only, or to
// this very machine.
func (l *login) Start(server *smtp.ServerInfo) (mechanism string, first []byte, err error) {
	shown := server.TLS || Loopback(l.host)
	offered := func(name string) bool { return slices.Contains(server.Auth, name) }
	switch {
	case offered("SCRAM-SHA-256"):
		l.way = smtp.ScramSHA256Auth(l.user, l.password)
	case offered("PLAIN") && shown:
		l.way = smtp.PlainAuth("", l.user, l.password, l.host, !server.TLS)
	case offered("LOGIN") && shown:
		l.way = smtp.LoginAuth(l.user, l.password, l.host, !server.TLS)
	case offered("CRAM-MD5"):
		l.way = smtp.CRAMMD5Auth(l.user, l.password)
	default:
		return "", nil, errors.New("the server offers no way to log in that is safe here")
	}
	return l.way.Start(server)
}

// Next goes on with the way chosen.
func (l *login) Next(challenge []byte, more bool) ([]byte, error) { return l.way.Next(challenge, more) }
