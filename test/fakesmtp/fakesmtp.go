// Package fakesmtp is an SMTP server for tests: it accepts mails over STARTTLS
// from anyone who knows the password, and keeps them.
package fakesmtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Server is a running server and the mails that it has accepted.
type Server struct {
	refuse      func(recipient string) error
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

// User is the name that a server accepts.
const User = "referral"

const (
	largestMail = 1 << 20
	timeout     = time.Minute
)

// Start starts a server on a free port of 127.0.0.1.
//
// refuse is asked about each recipient; what it returns (best an *smtp.SMTPError,
// which carries the code) is the answer to RCPT. It may be called from several
// goroutines. Nil refuses nobody.
func Start(refuse func(recipient string) error) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start an SMTP server: %w", err)
	}
	certificates := httptest.NewTLSServer(nil) // whose certificate is for 127.0.0.1
	certificates.Close()
	s := &Server{
		refuse: refuse, addr: listener.Addr().String(), password: rand.Text(),
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificates.Certificate().Raw}),
		served:      make(chan error, 1), changed: make(chan struct{}),
	}
	s.server = smtp.NewServer(s)
	s.server.Domain = "127.0.0.1"
	s.server.TLSConfig = &tls.Config{Certificates: certificates.TLS.Certificates}
	s.server.MaxMessageBytes = largestMail
	s.server.ReadTimeout, s.server.WriteTimeout = timeout, timeout
	s.server.ErrorLog = log.New(io.Discard, "", 0) // a client that breaks off is not a failure of the test
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.addr }

// Password is the password for User.
func (s *Server) Password() string { return s.password }

// Certificate is the server's certificate, in PEM.
func (s *Server) Certificate() []byte { return s.certificate }

// Close ends the server and returns what it could not read.
func (s *Server) Close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, smtp.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.problem)
}

// Mails are the mails to recipient, or all when it is empty, as they came.
func (s *Server) Mails(recipient string) []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	if recipient == "" {
		return slices.Clone(s.mails)
	}
	var found []Mail
	for _, m := range s.mails {
		if slices.Contains(m.To, recipient) {
			found = append(found, m)
		}
	}
	return found
}

// Wait waits until there are n mails to recipient and returns them.
func (s *Server) Wait(ctx context.Context, recipient string, n int) ([]Mail, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		mails := s.Mails(recipient)
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

func (s *Server) keep(m Mail, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.mails = append(s.mails, m)
	}
	s.problem = errors.Join(s.problem, err)
	close(s.changed)
	s.changed = make(chan struct{})
}

// NewSession is called by the server for every connection.
func (s *Server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }

// session is one connection.
type session struct {
	server   *Server
	known    bool
	envelope Mail
}

var errWrongPassword = &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong name or password"}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		if name != User || password != s.server.password {
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
	if s.server.refuse != nil {
		if err := s.server.refuse(to); err != nil {
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
	s.server.keep(m, err)
	return err
}

func (s *session) Reset() { s.envelope = Mail{} }

func (s *session) Logout() error { return nil }
