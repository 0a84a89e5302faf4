// Package fakesmtp is an SMTP server for the tests: it takes mails over STARTTLS
// from anyone who knows the password, and keeps them.
package fakesmtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options say how the server behaves. The zero value takes every mail.
type Options struct {
	// Refuse is asked about each recipient; what it returns (best an
	// *smtp.SMTPError, which carries the code) is the answer to RCPT. It may be
	// called from several goroutines. Nil refuses nobody.
	Refuse func(recipient string) error
}

// Server is a running server and the mails that it took.
type Server struct {
	options     Options
	server      *smtp.Server
	addr        string
	certificate []byte
	password    string
	served      chan error

	mu      sync.Mutex
	mails   []Mail
	problem error
	changed chan struct{} // closed, and replaced, whenever a mail arrives
}

const (
	user        = "referral"
	largestMail = 1 << 20
	patience    = time.Minute
)

// Start starts a server on a free port of 127.0.0.1.
func Start(o Options) (*Server, error) {
	certificate, pem, err := certify()
	if err != nil {
		return nil, fmt.Errorf("start an SMTP server: %w", err)
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("start an SMTP server: make a password: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an SMTP server: %w", err)
	}
	b := &Server{
		options: o, addr: listener.Addr().String(), certificate: pem, password: hex.EncodeToString(secret),
		served: make(chan error, 1), changed: make(chan struct{}),
	}
	b.server = smtp.NewServer(b)
	b.server.Domain = "127.0.0.1"
	b.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	b.server.MaxMessageBytes = largestMail
	b.server.ReadTimeout, b.server.WriteTimeout = patience, patience
	b.server.ErrorLog = log.New(io.Discard, "", 0) // a client that breaks off is no news to a test
	go func() { b.served <- b.server.Serve(listener) }()
	return b, nil
}

// Addr is the server's host:port.
func (b *Server) Addr() string { return b.addr }

// User is the name that the server lets in.
func (b *Server) User() string { return user }

// Password is the password for User.
func (b *Server) Password() string { return b.password }

// Certificate is what clients know the server by, in PEM.
func (b *Server) Certificate() []byte { return b.certificate }

// Close ends the server and says what could not be read.
func (b *Server) Close() error {
	err := b.server.Close()
	if served := <-b.served; !errors.Is(served, smtp.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(err, b.problem)
}

// Mails are the mails to recipient, or all when it is empty, as they came.
func (b *Server) Mails(recipient string) []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	if recipient == "" {
		return slices.Clone(b.mails)
	}
	var found []Mail
	for _, m := range b.mails {
		if slices.Contains(m.To, recipient) {
			found = append(found, m)
		}
	}
	return found
}

// Wait waits until there are n mails to recipient and returns them.
func (b *Server) Wait(ctx context.Context, recipient string, n int) ([]Mail, error) {
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		mails := b.Mails(recipient)
		if len(mails) >= n {
			return mails, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return mails, fmt.Errorf("wait for %d mails, there are %d: %w", n, len(mails), ctx.Err())
		}
	}
}

func (b *Server) keep(m Mail, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.problem = errors.Join(b.problem, err)
	} else {
		b.mails = append(b.mails, m)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// NewSession is called by the server for every connection.
func (b *Server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }

// session is one connection's talk.
type session struct {
	box      *Server
	known    bool
	envelope Mail
}

var errWrongPassword = &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong name or password"}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != user || password != s.box.password {
			return errWrongPassword
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.envelope = Mail{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.box.options.Refuse != nil {
		if err := s.box.options.Refuse(to); err != nil {
			return err
		}
	}
	s.envelope.To = append(s.envelope.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := read(s.envelope, raw)
	s.box.keep(m, err)
	return err
}

func (s *session) Reset() { s.envelope = Mail{} }

func (s *session) Logout() error { return nil }
