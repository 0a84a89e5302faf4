// Package smtp sends invitations by e-mail.
package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"referral/models"
)

// Security is how the connection to the mail server is encrypted.
type Security string

// None is accepted for a server on a loopback host only.
const (
	StartTLS Security = "starttls" // STARTTLS is required
	TLS      Security = "tls"      // TLS from the first byte
	None     Security = "none"
)

// Options configures a sender. Host, Port, From and Now are required.
type Options struct {
	Host     string
	Port     int
	Security Security // StartTLS when empty
	Username string   // empty: no authentication
	Password string
	From     string // bare address
	FromName string
	HELO     string        // empty: the name of the machine
	TLS      *tls.Config   // nil: the system's authorities and the server's name
	Timeout  time.Duration // of connecting, and of each step; 30 s
	Now      func() time.Time
	Renew    func(*Options) // brings Password and TLS up to date for a message; may be nil
}

// Sender sends e-mails, each on a connection of its own.
type Sender struct {
	o    Options
	from mail.Address
}

// New returns a sender. It does not connect yet.
func New(o Options) (*Sender, error) {
	o.Security, o.Timeout = cmp.Or(o.Security, StartTLS), cmp.Or(o.Timeout, 30*time.Second)
	from, err := mail.ParseAddress(o.From)
	if err != nil || from.Address != o.From || hasControl(o.FromName) {
		return nil, errors.New("smtp: the sender must be a bare address like referral@example.ru, with a name of one line")
	}
	if o.Now == nil {
		return nil, errors.New("smtp: Now is required")
	}
	if o.Host == "" || o.Port < 1 || o.Port > 65535 {
		return nil, errors.New("smtp: the server needs a host and a port")
	}
	if o.Security == None && !Loopback(o.Host) {
		return nil, errors.New("smtp: without encryption the server must be a loopback host")
	}
	s := &Sender{o: o, from: mail.Address{Name: o.FromName, Address: o.From}}
	if _, err := s.client(context.Background(), new(net.Conn)); err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	return s, nil
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' })
}

// Send sends one e-mail. The id returned is its Message-ID.
func (s *Sender) Send(ctx context.Context, m *models.InvitationMessage) ([]string, error) {
	msg, err := s.compose(m)
	if err != nil {
		return nil, err
	}
	if s.o.Renew != nil {
		s = &Sender{o: s.o, from: s.from}
		s.o.Renew(&s.o)
	}
	var raw net.Conn
	client, err := s.client(ctx, &raw)
	if err != nil {
		return nil, fmt.Errorf("smtp: preparing the connection: %w: %w", models.ErrTransportUnreachable, err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if raw != nil {
			_ = raw.Close() // nothing was sent yet
		}
		return nil, fmt.Errorf("smtp: connecting: %w: %w", models.ErrTransportUnreachable, err)
	}
	// QUIT is sent after success only: after an interrupted message the library would
	// end it with the dot that completes it.
	defer raw.Close() //nolint:errcheck // the server has answered what matters
	if err := classify(client.SendWithSMTPClient(session, msg)); err != nil {
		return nil, err
	}
	_ = client.CloseWithSMTPClient(session) // the message was accepted
	return []string{msg.GetMessageID()}, nil
}

// client prepares one connection, which it stores in raw. The connection is closed when
// ctx is done, which the library does only while it connects.
func (s *Sender) client(ctx context.Context, raw *net.Conn) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.o.Port), gomail.WithTimeout(s.o.Timeout), gomail.WithoutNoop(), gomail.WithoutSMTPUTF8(),
		gomail.WithTLSConfig(s.tls()),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := s.dial(dialing, network, address)
			if err == nil {
				*raw = conn
				context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}),
	}
	policy := gomail.NoTLS
	if s.o.Security == StartTLS {
		policy = gomail.TLSMandatory
	}
	options = append(options, gomail.WithTLSPolicy(policy))
	if s.o.Username != "" {
		options = append(options, gomail.WithUsername(s.o.Username), gomail.WithPassword(s.o.Password), gomail.WithOpportunisticSMTPAuth(s.mechanisms()...))
	}
	if s.o.HELO != "" {
		options = append(options, gomail.WithHELO(s.o.HELO))
	}
	return gomail.NewClient(s.o.Host, options...)
}

// mechanisms returns the mechanisms for the password, the best first. Without encryption
// the server is on a loopback host.
func (s *Sender) mechanisms() []gomail.SMTPAuthType {
	if s.o.Security == None {
		return []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc, gomail.SMTPAuthCramMD5}
	}
	return []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5}
}

func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.o.Security == TLS {
		return (&tls.Dialer{Config: s.tls()}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func (s *Sender) tls() *tls.Config {
	c := &tls.Config{}
	if s.o.TLS != nil {
		c = s.o.TLS.Clone()
	}
	c.ServerName = cmp.Or(c.ServerName, s.o.Host)
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}
